/** A link as relays use it: pads out of its stock, and keys that came by relay into its buffer. */
import type { Service } from "../../wire/ck/names.ts";
import { limits } from "../../wire/kx/names.ts";
import type { RelayMessage } from "../../wire/kx/relay-messages.ts";
import type { KmLink } from "../link/link.ts";
import { isMatchUse } from "../matching/match-use.ts";
import { relayModule } from "../relay/modules.ts";
import { isRelayUse, type RelayedKey, type RelayLink, useOfRelay } from "../relay/ports.ts";
import type { BufferedKeys } from "../store/buffered.ts";
import { idsOf } from "../store/key-run.ts";
import type { KeyStore } from "../store/port.ts";
import { isOtp } from "../store/shapes.ts";
import { readGranted } from "../supply/granted.ts";

/** A link, as far as relays concern it. */
export interface LinkOfRelays {
  readonly name: string;
  /** KM ID of its other end. */
  readonly peer: string;
  readonly core: KmLink;
  /** Keys are durable in the buffer. */
  stored(keys: BufferedKeys): void;
}

/** Pad of the smallest demand: two keys of 256 bits, and a tag. So many are bound ahead on a link that lends. */
const smallPad = 96;
const mostPrepared = 16;
/** Stock is plenty if it is so many times what is bound ahead. */
const plenty = 16;
/** One that is bound ahead expires after this, s; its offer is answered within this, ms. */
const preparedForS = 600;
const prepareMs = 3_000;
/** The receiver of a lent pad takes it at once, or never, s. */
const pickUpS = 60;

/** A link, as relays use it. */
export class RelayWay implements RelayLink {
  readonly #link: LinkOfRelays;
  readonly #store: KeyStore;
  readonly #now: () => number;
  /** IDs of pads that the other end lent in an earlier session: their messages went with it. */
  #stale = new Set<string>();
  /**
   * A link that is out of service or stands by lends nothing. What is lent by its other end is taken: that end says
   * for itself. Whose keys go by one that is reserved is for the controller that gives routes to see to.
   */
  service: Service = "in_service";
  /** It has lent a pad once: there will be more. */
  #lends = false;

  /** @param now monotonic, ms */
  constructor(link: LinkOfRelays, store: KeyStore, now: () => number) {
    this.#link = link;
    this.#store = store;
    this.#now = now;
    this.down();
  }

  /** No session: nothing comes any more that uses the pads of before. */
  down(): void {
    for (const use of this.#link.core.books.uses.values()) {
      const { owner, state, request } = use;
      if (owner || state !== "B" || !(isRelayUse(request) || isMatchUse(request))) continue;
      for (const id of idsOf([use])) this.#stale.add(id);
    }
  }

  get peer(): string {
    return this.#link.peer;
  }

  get ready(): boolean {
    return this.#link.core.phase === "ready";
  }

  get longest(): number {
    return this.#link.core.version === 1 ? limits.shortRelayBytes : limits.relayBytes;
  }

  /** Bytes that this KM may lend. */
  get free(): number {
    const { side, stock } = this.#link.core.books;
    return stock.free(side, stock.isAllOtp ? undefined : isOtp);
  }

  get #mayLend(): boolean {
    return this.service === "in_service" || this.service === "reserved";
  }

  /** More than this KM owns is wanted: the other end gives of what it has in excess. */
  want(): void {
    if (this.#mayLend) this.#link.core.ask();
  }

  /**
   * Some ten times a second. Pads of what is relayed on demand are bound ahead, where stock is plenty: a hop costs no round trip then. They
   * end with the process, as all that is offered for nothing yet.
   */
  prepare(): void {
    if (this.ready && this.#stale.size > 0) {
      const stale = this.#stale;
      this.#stale = new Set();
      const { peer, books } = this.#link.core;
      peer.abandon([...stale].flatMap((id) => books.uses.get(id) ?? []));
    }
    const { owner, books } = this.#link.core;
    // Nor what may not be lent.
    if (!books.stock.isAllOtp) return;
    if (!this.#lends || !this.ready || owner.prepared(smallPad) > mostPrepared / 2) return;
    if (this.free < plenty * mostPrepared * smallPad) return;
    owner.preOffer(mostPrepared, smallPad, preparedForS, this.#now() + prepareMs);
  }

  lend(...[length, use, deadline, done]: Parameters<RelayLink["lend"]>): void {
    if (!this.#mayLend) return done("away");
    const { core, name } = this.#link;
    this.#lends = true;
    // A key under a pad that came under AES itself would be no better, whatever its scheme says.
    const request = { use, keys: 1, length, pickUp: pickUpS, deadline, otpOnly: true };
    core.owner.request(request, (result) => {
      if (typeof result === "string") return done(result);
      readGranted(this.#store, { link: name, uses: result }, (bytes) => {
        if (bytes === undefined) return done("stock");
        done({ id: Buffer.from(result[0]?.id as string, "hex"), bytes });
      });
    });
  }

  claim(...[id, use, done]: Parameters<RelayLink["claim"]>): void {
    const { core, name } = this.#link;
    const isClaimed = core.peer.claim(id.toString("hex"), use, (key) => {
      readGranted(this.#store, { link: name, uses: [key] }, done);
    });
    if (!isClaimed) done(undefined);
  }

  refuse(...[id, use]: Parameters<RelayLink["refuse"]>): void {
    const { peer, books } = this.#link.core;
    const name = id.toString("hex");
    if (books.uses.get(name)?.request === use) peer.giveUp([name]);
  }

  release(relay: Buffer): void {
    const { peer, books } = this.#link.core;
    peer.abandon(books.boundFor(useOfRelay(relay)));
  }

  send(message: RelayMessage): void {
    const { core } = this.#link;
    // Version 1 has no word for it.
    const isNew = message.type === "relayed" && message.failure === "long" && core.version === 1;
    core.send(isNew ? { ...message, failure: "route" } : message);
  }

  keep({ relay, scheme, bytes, time }: RelayedKey, done: (stored: boolean) => void): void {
    if (this.#store.full() !== undefined) return done(false);
    const module = relayModule(this.#link.name, scheme);
    const key = {
      count: 1,
      ids: relay,
      bits: Uint32Array.of(bytes.length * 8),
      generatedAt: Float64Array.of(time),
      qber: Float64Array.of(Number.NaN),
      bytes,
    };
    this.#store.put(module, key, (stored) => {
      if (stored !== undefined) this.#link.stored(stored);
      done(stored !== undefined);
    });
    // An application may wait for it.
    this.#store.hurry();
  }

  drop(relay: Buffer): void {
    this.#link.core.keepOut(relay, "relay");
  }
}
