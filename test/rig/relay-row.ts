/**
 * Relay desks of key managers in a row, in memory and in virtual time: pads are drawn when they are lent, each can be
 * claimed once, and all that goes between two KMs passes the codec. What it cost, and what is left, can be looked at.
 */
import { randomBytes } from "node:crypto";
import { RelayDesk } from "../../src/km/relay/desk.ts";
import {
  type RelayedKey,
  type RelayLink,
  type RelayTold,
  type RelayWorld,
  useOfRelay,
} from "../../src/km/relay/ports.ts";
import type { RelayEnd, RelayOrder } from "../../src/km/relay/source.ts";
import { decodePayload, encodePayload } from "../../src/wire/kx/codec.ts";
import type { KxMessage } from "../../src/wire/kx/messages.ts";
import { command } from "../../src/wire/kx/names.ts";
import type { RelayFailure, RelayMessage } from "../../src/wire/kx/relay-messages.ts";
import { cutRelay, RelayJoiner } from "../../src/wire/kx/relay-pieces.ts";

export interface RowRules {
  readonly withinMs: number;
  /** A KM lends nothing to the next, for this reason. */
  lends?(from: string, to: string): RelayFailure | undefined;
  /** What a KM sends never arrives. */
  isMute?(from: string): boolean;
  mayPass?(me: string): boolean;
  mayKeep?(me: string): boolean;
  /** How far the clock of a KM is ahead, ms. */
  aheadMs?(me: string): number;
  /** The random bits of a KM failed their health tests. */
  hasNoBits?(me: string): boolean;
  /** The disk of a KM has no room for keys. */
  isFull?(me: string): boolean;
}

interface LentPad {
  readonly use: string;
  readonly bytes: Buffer;
}

/** One frame of a connection, as the other end reads it. */
function overTheWire(message: RelayMessage): RelayMessage {
  const { pieces, last } =
    message.type === "relay" ? cutRelay(message) : { pieces: [], last: message };
  const joiner = new RelayJoiner();
  for (const bytes of pieces) joiner.add({ type: "relayPiece", bytes: Buffer.from(bytes) });
  const frame = Buffer.from(encodePayload(last));
  return joiner.add(decodePayload(command[last.type], frame) as KxMessage) as RelayMessage;
}

export class RelayRow {
  readonly #rules: RowRules;
  readonly #desks = new Map<string, RelayDesk>();
  readonly #links = new Map<string, RelayLink>();
  /** By link and pad: what its other end may claim. */
  readonly #lent = new Map<string, LentPad>();
  readonly #due: (() => void)[] = [];
  readonly told: (RelayTold & { readonly me: string })[] = [];
  /** By KM: what waits for its match. */
  readonly kept = new Map<string, Buffer>();
  /** By KM: when the relay of that began, as it was told. */
  readonly times = new Map<string, number>();
  /** KMs that were told that a relay is void. */
  readonly dropped: string[] = [];
  /** Called while a KM stores a key. */
  onKeep: (me: string) => void = () => {};
  /** The disk of this KM is slow: its keys are there when {@link RelayRow.disk} is called. */
  slow: string | undefined;
  disk: () => void = () => {};
  /** IDs of all relays, in hexadecimal, in the order in which a pad was first lent for them. */
  readonly relays: string[] = [];
  readonly odd: string[] = [];
  lentBytes = 0;
  now = 0;

  /** @param kms all of them have links with each other */
  constructor(kms: readonly string[], rules: RowRules) {
    this.#rules = rules;
    for (const me of kms) {
      for (const peer of kms)
        if (peer !== me) this.#links.set(`${me} ${peer}`, this.#link(me, peer));
      const world: RelayWorld = {
        me,
        link: (peer) => this.#links.get(`${me} ${peer}`),
        now: () => this.now,
        wall: () => this.now + (rules.aheadMs?.(me) ?? 0),
        random: randomBytes,
        keyBits: (length, done) => done(rules.hasNoBits?.(me) ? undefined : randomBytes(length)),
        mayPass: () => rules.mayPass?.(me) ?? true,
        mayKeep: () => rules.mayKeep?.(me) ?? true,
        tell: (event) => this.told.push({ me, ...event }),
        odd: (message) => this.odd.push(`${me} ${message}`),
      };
      this.#desks.set(me, new RelayDesk(world, rules.withinMs));
    }
  }

  #link(me: string, peer: string): RelayLink {
    const rules = this.#rules;
    return {
      peer,
      ready: true,
      longest: 1_048_576,
      lend: (length, use, _deadline, done) => {
        const why = rules.lends?.(me, peer);
        if (why !== undefined) return this.#soon(() => done(why));
        const [id, bytes] = [randomBytes(16), randomBytes(length)];
        this.lentBytes += length;
        const relay = use.slice("relay ".length);
        if (!this.relays.includes(relay)) this.relays.push(relay);
        this.#lent.set(`${me} ${peer} ${id.toString("hex")}`, { use, bytes: Buffer.from(bytes) });
        this.#soon(() => done({ id, bytes }));
      },
      claim: (id, use, done) => {
        const name = `${peer} ${me} ${id.toString("hex")}`;
        const pad = this.#lent.get(name);
        if (pad?.use !== use) return done(undefined);
        this.#lent.delete(name);
        this.#soon(() => done(pad.bytes));
      },
      send: (message) => {
        if (!(rules.isMute?.(me) ?? false)) this.say(me, peer, message);
      },
      refuse: (id, use) => {
        const name = `${peer} ${me} ${id.toString("hex")}`;
        if (this.#lent.get(name)?.use === use) this.#lent.delete(name);
      },
      release: (relay) => {
        for (const [name, { use }] of this.#lent) {
          const isOf = name.startsWith(`${peer} ${me} `) && use === useOfRelay(relay);
          if (isOf) this.#lent.delete(name);
        }
      },
      keep: ({ bytes, time }: RelayedKey, done) => {
        const isFull = rules.isFull?.(me) ?? false;
        const copy = Buffer.from(bytes);
        this.times.set(me, time);
        this.#soon(() => this.onKeep(me));
        const write = () => {
          if (!isFull) this.kept.set(me, copy);
          done(!isFull);
        };
        if (this.slow === me) this.disk = write;
        else this.#soon(write);
      },
      drop: () => {
        this.kept.delete(me);
        this.dropped.push(me);
      },
    };
  }

  #soon(fn: () => void): void {
    this.#due.push(fn);
  }

  /** One KM says something to another: what it did not think of itself, perhaps. */
  say(from: string, to: string, message: RelayMessage): void {
    const heard = overTheWire(message);
    this.#soon(() =>
      this.#desks.get(to)?.heard(this.#links.get(`${to} ${from}`) as RelayLink, heard),
    );
  }

  /** A pad as its lender would have it. */
  lend(
    from: string,
    to: string,
    length: number,
    use: string,
  ): Promise<{ id: Buffer; bytes: Buffer }> {
    return new Promise((resolve, reject) => {
      this.#links.get(`${from} ${to}`)?.lend(length, use, 0, (pad) => {
        if (typeof pad === "string") reject(new Error(pad));
        else resolve(pad);
      });
      this.settle();
    });
  }

  /** All that is due happens. */
  settle(): void {
    for (let next = this.#due.shift(); next !== undefined; next = this.#due.shift()) next();
  }

  desk(km: string): RelayDesk {
    return this.#desks.get(km) as RelayDesk;
  }

  /** A controller has one key reserved, relayed and allocated, over all KMs of a path. @returns how it ended */
  relayReserved(path: readonly string[], length: number): RelayEnd {
    const [source = "", next = ""] = path;
    const to = path.at(-1) as string;
    const far = this.#links.get(`${source} ${to}`) as RelayLink;
    let ended: RelayEnd = { failure: "late", at: source };
    this.desk(source).reserve({ far, via: [next], scheme: "case-1", length }, (reserved) => {
      if ("failure" in reserved) return;
      this.desk(next).relayReserved({ ...reserved, path }, (end) => {
        if (end !== undefined) return;
        this.desk(source).allocate(reserved.relay, to, (allocated) => {
          ended = allocated;
        });
      });
    });
    this.settle();
    return ended;
  }

  /** Begins a relay; all happens that needs no time. */
  begin(
    from: string,
    to: string,
    order: Omit<RelayOrder, "far">,
    done: (end: RelayEnd) => void,
  ): void {
    const far = this.#links.get(`${from} ${to}`) as RelayLink;
    this.desk(from).begin({ far, ...order }, done);
    this.settle();
  }

  /** Relays one key, and lets time pass until its source knows how it ended. */
  relay(
    from: string,
    to: string,
    order: Omit<RelayOrder, "far">,
  ): { readonly end: RelayEnd; readonly ms: number } {
    let ended: { end: RelayEnd } | undefined;
    const begun = this.now;
    this.begin(from, to, order, (end) => {
      ended = { end };
    });
    while (ended === undefined) this.tick();
    const ms = this.now - begun;
    this.settle();
    return { ...ended, ms };
  }

  /** A tenth of a second. */
  tick(): void {
    this.now += 100;
    for (const desk of this.#desks.values()) {
      desk.tick();
      this.settle();
    }
  }

  /** Pads that were lent and whose end is waited for. */
  get bound(): number {
    return this.#lent.size;
  }

  /** Relays that a KM has not done with. */
  get underWay(): number {
    return [...this.#desks.values()].reduce((sum, { underWay }) => sum + underWay, 0);
  }
}
