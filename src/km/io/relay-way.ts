/** A link as relays use it: pads out of its stock, and keys that came by relay into its buffer. */
import type { RelayMessage } from "../../wire/kx/relay-messages.ts";
import type { KmLink } from "../link/link.ts";
import { relayModule } from "../relay/modules.ts";
import type { RelayedKey, RelayLink } from "../relay/ports.ts";
import type { BufferedKeys } from "../store/buffered.ts";
import type { KeyStore } from "../store/port.ts";
import { readGranted } from "./granted.ts";

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
  /** It has lent a pad once: there will be more. */
  #lends = false;

  /** @param now monotonic, ms */
  constructor(link: LinkOfRelays, store: KeyStore, now: () => number) {
    this.#link = link;
    this.#store = store;
    this.#now = now;
  }

  get peer(): string {
    return this.#link.peer;
  }

  get ready(): boolean {
    return this.#link.core.phase === "ready";
  }

  /**
   * Pads of what is relayed on demand are bound ahead, where stock is plenty: a hop costs no round trip then. They
   * end with the process, as all that is offered for nothing yet.
   */
  prepare(): void {
    const { owner, books } = this.#link.core;
    if (!this.#lends || !this.ready || owner.prepared(smallPad) > mostPrepared / 2) return;
    if (books.stock.free(books.side) < plenty * mostPrepared * smallPad) return;
    owner.preOffer(mostPrepared, smallPad, preparedForS, this.#now() + prepareMs);
  }

  lend(...[length, use, deadline, done]: Parameters<RelayLink["lend"]>): void {
    const { core, name } = this.#link;
    this.#lends = true;
    const request = { use, keys: 1, length, pickUp: pickUpS, deadline };
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

  send(message: RelayMessage): void {
    this.#link.core.send(message);
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
  }

  drop(relay: Buffer): void {
    this.#link.core.keepOut(relay, "relay");
  }
}
