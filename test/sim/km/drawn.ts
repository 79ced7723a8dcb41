/** What a life is like, drawn from its seed: a subset of faults, sizes, times. Uniform worlds never get deep. */
import type { LinkLimits } from "../../../src/km/peer/context.ts";
import type { Takes } from "../../../src/km/supply/peer.ts";
import { random, streamSeed } from "../../random.ts";

export type FaultKind = "crash" | "cut" | "clog" | "copy" | "restore";

export interface Drawn {
  readonly faults: { readonly kinds: readonly FaultKind[]; readonly meanMs: number };
  readonly limits: Partial<LinkLimits>;
  /** Mean delay of a message, ms. */
  readonly delay: number;
  /** Share of offers that policy refuses. */
  readonly refusals: number;
  /** Share of QKD-keys that differ at the two ends, and that one node never delivers. */
  readonly differ: number;
  readonly lost: number;
  /** Share of keys that a node repeats though they were confirmed. */
  readonly repeats: number;
  /** Mean time between two keys, and between two requests, ms. */
  readonly keyMs: number;
  readonly requestMs: number;
  /** Longest key that is asked for, bytes. */
  readonly longest: number;
  /** How long a key may be fetched, s. */
  readonly pickUp: number;
  /** How often an application vanishes before it has asked. */
  readonly vanish: number;
  /** Share of requests that keys were offered for before. */
  readonly preOffers: number;
  /** How long all may take to come to rest, ms. */
  readonly healMs: number;
  /** Share of crashes that are stops in order instead. */
  readonly stops: number;
  /** How the applications of each end are served. */
  readonly takes: Readonly<Record<"a" | "b", Takes>>;
}

export type Wanted = Partial<Drawn>;

/** @param wanted what a planted mistake needs to show; undefined: there is none */
export function drawWorld(seed: number, wanted?: Wanted): Drawn {
  const draw = random(streamSeed(seed, "world"));
  const pick = <T>(values: readonly T[]) => values[Math.floor(draw() * values.length)] as T;
  const all: FaultKind[] = ["crash", "cut", "clog", "copy", "restore"];
  const kinds = all.filter(() => draw() < 0.6);
  // A copy of a disk shows nothing until it is put back.
  if (kinds.includes("restore") && !kinds.includes("copy")) kinds.push("copy");
  const matchMs = 60_000;
  const window = pick([1, 4, 8]);
  const batchKeys = pick([1, 3, 50, 500]);
  // A link that can't carry its keys lets them expire, and that is no mistake.
  const narrow = window * batchKeys < 12;
  // Of a stream of their own: what else a seed draws stays as it was. A planted mistake says itself what it needs.
  const free = random(streamSeed(seed, "takes"));
  const some = (share: number) => wanted === undefined && free() < share;
  // With a disk put back, a slave that no witness saw may get a key twice: that is the price of it.
  const takes = (): Takes => (some(0.3) && !kinds.includes("restore") ? "local" : "witnessed");
  const drawn: Drawn = {
    takes: { a: takes(), b: takes() },
    faults: { kinds, meanMs: pick([300, 1_000, 5_000]) },
    limits: {
      window,
      batchKeys,
      lackMs: pick([50, 1_000]),
      againMaxMs: 5_000,
      matchMs,
      unit: pick([1, 8, 32]),
      lowWater: pick([0, 256, 4_096]),
      ...(some(0.3) && { underWay: some(0.5) ? 4 : 40 }),
    },
    delay: pick(narrow ? [0.2, 2] : [0.2, 2, 40]),
    refusals: pick([0, 0, 0.05, 0.5]),
    differ: pick([0, 0.001, 0.02]),
    lost: pick([0, 0.001, 0.02]),
    repeats: pick([0, 0.1]),
    keyMs: pick([0.5, 5, 20]),
    requestMs: pick([1, 10, 50]),
    longest: pick([16, 48, 150]),
    pickUp: pick([1, 5, 20]),
    vanish: pick([0, 0.1, 0.5]),
    preOffers: pick([0, 0, 0.3]),
    healMs: matchMs + 90_000,
    stops: seed % 5 === 2 ? 0.7 : 0,
  };
  return { ...drawn, ...wanted, limits: { ...drawn.limits, ...wanted?.limits } };
}
