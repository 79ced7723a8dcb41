/** Messages of a KM link drawn at random, within all limits of the profile. */
import type { KxMessage, Range, VersionedRange } from "../../src/wire/kx/messages.ts";
import { codes } from "../../src/wire/kx/names.ts";
import type { Random } from "../random.ts";

export type KxType = KxMessage["type"];
type Maker = (r: Draw) => KxMessage;

class Draw {
  readonly #random: Random;

  constructor(random: Random) {
    this.#random = random;
  }

  /** A whole number from `least` to `most`. */
  whole(least: number, most: number): number {
    return least + Math.floor(this.#random() * (most - least + 1));
  }

  of<T>(items: readonly T[]): T {
    return items[this.whole(0, items.length - 1)] as T;
  }

  bytes(length: number): Buffer {
    return Buffer.from(Array.from({ length }, () => this.whole(0, 255)));
  }

  /** Few, as a rule. */
  some<T>(least: number, make: () => T): T[] {
    return Array.from({ length: this.whole(least, this.of([least, 3, 9])) }, make);
  }

  maybe<T>(make: () => T): T | undefined {
    return this.#random() < 0.5 ? make() : undefined;
  }

  count(least = 0): number {
    return this.whole(least, this.of([least + 3, 0xffff_ffff, Number.MAX_SAFE_INTEGER - least]));
  }

  name(): string {
    return Array.from({ length: this.whole(1, 12) }, () => this.of([..."aZ9-_.ß€😀"])).join("");
  }

  range(): Range {
    const start = this.whole(0, 1_000_000);
    return { extent: this.count(1), start, end: start + this.whole(1, 1_000) };
  }

  versioned(): VersionedRange {
    return { ...this.range(), version: this.whole(0, 0xffff_ffff) };
  }

  fates() {
    return { number: this.count(), taken: this.count(), expired: this.count() };
  }
}

function given<K extends string, T>(key: K, value: T | undefined): { [P in K]?: T } {
  return value === undefined ? {} : ({ [key]: value } as { [P in K]: T });
}

const makers: Readonly<Record<KxType, Maker>> = {
  hello: (r) => ({
    type: "hello",
    version: 1,
    from: r.name(),
    to: r.name(),
    incarnation: r.bytes(16),
    nonce: r.bytes(16),
    policy: r.bytes(32),
  }),
  sync: (r) => ({
    type: "sync",
    mark: r.count(),
    heardMark: r.count(),
    highest: r.count(),
    told: r.fates(),
    heard: r.fates(),
  }),
  syncExtents: (r) => ({
    type: "syncExtents",
    extents: r.some(0, () => ({
      number: r.count(1),
      state: r.of(codes.extentState),
      digest: r.bytes(32),
      length: r.whole(1, 0x8000_0000),
      regions: r.some(0, () => {
        const { start, end, version } = r.versioned();
        return { start, end, version, mark: r.whole(start, end), giving: r.of([true, false]) };
      }),
    })),
  }),
  syncUses: (r) => ({
    type: "syncUses",
    uses: r.some(0, () => ({
      id: r.bytes(16),
      offer: r.bytes(24),
      owner: r.of([true, false]),
      state: r.of(codes.useState),
      had: r.whole(0, 65_535),
      ...given(
        "fate",
        r.maybe(() => r.of(codes.fate)),
      ),
      ...given(
        "use",
        r.maybe(() => r.name()),
      ),
      ranges: r.some(0, () => r.range()),
    })),
  }),
  syncEnd: () => ({ type: "syncEnd" }),
  propose: (r) => {
    const lengths = r.some(1, () => r.whole(1, 47_000));
    return {
      type: "propose",
      number: r.count(1),
      modules: [r.name(), r.name()],
      ids: r.bytes(16 * lengths.length),
      lengths,
      unit: r.whole(1, 4_096),
      split: r.whole(
        0,
        lengths.reduce((a, b) => a + b),
      ),
      tag: r.bytes(16),
    };
  },
  match: (r) => ({ type: "match", number: r.count(1), digest: r.bytes(32) }),
  matchMac: (r) => ({
    type: "matchMac",
    number: r.count(1),
    digest: r.bytes(32),
    tag: r.bytes(16),
  }),
  noMatch: (r) => ({
    type: "noMatch",
    number: r.count(1),
    reason: r.of(codes.noMatch),
    lacking: r.bytes(16 * r.whole(0, 9)),
  }),
  commit: (r) => ({ type: "commit", number: r.count(1) }),
  abort: (r) => ({ type: "abort", number: r.count(1), void: r.bytes(16 * r.whole(0, 9)) }),
  offer: (r) => ({
    type: "offer",
    offer: r.bytes(24),
    ...given(
      "use",
      r.maybe(() => r.name()),
    ),
    pickUp: r.whole(0, 86_400),
    keys: r.some(1, () => ({
      id: r.bytes(16).toString("hex"),
      count: 1,
      ranges: r.some(1, () => r.versioned()),
    })),
    tag: r.bytes(16),
  }),
  ack: (r) => ({
    type: "ack",
    offer: r.bytes(24),
    digest: r.bytes(32),
    refused: r.some(1, () => r.maybe(() => r.of(codes.refusal))),
  }),
  assign: (r) => ({ type: "assign", offer: r.bytes(24), id: r.bytes(16), use: r.name() }),
  void: (r) => ({
    type: "void",
    offer: r.bytes(24),
    id: r.bytes(16),
    ranges: r.some(1, () => r.range()),
  }),
  take: (r) => ({
    type: "take",
    offer: r.bytes(24),
    id: r.bytes(16),
    slave: r.whole(0, 15),
  }),
  taken: (r) => ({
    type: "taken",
    offer: r.bytes(24),
    id: r.bytes(16),
    slave: r.whole(0, 15),
    yes: r.of([true, false]),
  }),
  fate: (r) => ({
    type: "fate",
    number: r.count(),
    offer: r.bytes(24),
    id: r.bytes(16),
    fate: r.of(codes.fate),
    length: r.whole(0, 1_000_000),
  }),
  fateOk: (r) => ({ type: "fateOk", number: r.count() }),
  deliver: (r) => ({
    type: "deliver",
    delivery: r.bytes(16),
    session: r.name(),
    within: r.whole(1, 600_000),
    ids: r.bytes(16 * r.whole(1, 9)),
  }),
  delivered: (r) => {
    const failure = r.maybe(() => r.of(codes.delivery));
    const ids = r.bytes(failure === undefined ? 16 * r.whole(1, 9) : 0);
    return { type: "delivered", delivery: r.bytes(16), ...given("failure", failure), ids };
  },
  give: (r) => ({ type: "give", range: r.versioned() }),
  given: (r) => ({ type: "given", range: r.versioned() }),
  ask: (r) => ({ type: "ask", bytes: r.count(1) }),
  relay: (r) => {
    const path = r.some(2, () => r.name());
    return {
      type: "relay",
      relay: r.bytes(16),
      pad: r.bytes(16),
      scheme: r.of(codes.relayScheme),
      step: r.of(codes.relayStep),
      path,
      ...given(
        "collector",
        r.maybe(() => r.name()),
      ),
      at: r.whole(0, path.length - 1),
      time: r.count(),
      length: r.whole(1, 1_048_576),
      body: r.bytes(r.whole(0, 300)),
      tag: r.bytes(16),
    };
  },
  relayed: (r) => ({
    type: "relayed",
    relay: r.bytes(16),
    at: r.name(),
    ...given(
      "failure",
      r.maybe(() => r.of(codes.relayFailure)),
    ),
  }),
  relayVoid: (r) => ({ type: "relayVoid", relay: r.bytes(16) }),
  relayPiece: (r) => ({ type: "relayPiece", bytes: r.bytes(r.whole(1, 300)) }),
  alive: () => ({ type: "alive" }),
};

export const kxTypes = Object.keys(makers) as readonly KxType[];

/** The same numbers give the same message. */
export function drawKx(type: KxType, random: Random): KxMessage {
  return makers[type](new Draw(random));
}
