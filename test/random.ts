import { createHash } from "node:crypto";

export type Random = () => number;

/** Reproducible numbers from 0 to below 1 (mulberry32); the same seed gives the same run. */
export function random(seed: number): Random {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let x = Math.imul(state ^ (state >>> 15), 1 | state);
    x = (x + Math.imul(x ^ (x >>> 7), 61 | x)) ^ x;
    return ((x ^ (x >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A seed for one named stream of a run: streams with names of their own do not disturb each other. */
export function streamSeed(seed: number, name: string): number {
  return createHash("sha256").update(`${name} ${seed}`).digest().readInt32BE(0);
}
