/** What the cases of the conformance suite have in common. */
import { readdirSync } from "node:fs";
import { blockName } from "../../../src/port/key.ts";
import { eventually } from "../../eventually.ts";
import type { Observer } from "../observer.ts";
import type { Lack, Made, Specimen } from "../specimen.ts";

/** What cases say of what they see: AVA's words, or those of a program that runs them without it. */
export interface Checks {
  is(actual: unknown, expected: unknown, what?: string): unknown;
  deepEqual(actual: unknown, expected: unknown, what?: string): unknown;
  true(actual: unknown, what?: string): unknown;
  truthy(actual: unknown, what?: string): unknown;
  like(actual: unknown, expected: Readonly<Record<string, unknown>>, what?: string): unknown;
  regex(actual: string, expected: RegExp, what?: string): unknown;
  pass(): unknown;
  log(text: string): unknown;
}

/** What a promise was rejected with. @throws {@link Error} if it was not */
export async function rejected(promise: Promise<unknown>): Promise<unknown> {
  const nothing = Symbol("resolved");
  const error = await promise.then(
    () => nothing,
    (reason: unknown) => reason,
  );
  if (error === nothing) throw new Error("it should not have succeeded");
  return error;
}

export interface Case {
  /** A sentence. */
  readonly title: string;
  /** What the module must have a notion of. */
  readonly needs?: readonly Lack[];
  body(t: Checks, module: Specimen, seen: Observer): Promise<void>;
}

/** Credit that never runs out in a test. */
export const plenty = { blocks: 1_000, bytes: 100_000_000 };

/** Bits of blocks: one bit, odd ends, longer than any frame, and none at all. */
export const lengths = [256, 1, 7, 8, 9, 31, 33, 12_345, 0, 560_000];

/** How many files this process has open. */
const descriptors = () => readdirSync("/proc/self/fd").length;

/**
 * A round of some ten sessions closes all that it opened. The runtime opens and closes one or another descriptor
 * when it likes, a thread's or a name look-up's: a leak is what every round leaves behind.
 */
export async function leavesNothingOpen(round: () => Promise<void>): Promise<void> {
  await round();
  await eventually("a round that closes what it opened", async () => {
    const before = descriptors();
    await round();
    return await eventually("descriptors are closed", descriptors, {
      when: (open) => open <= before,
      deadlineMs: 5_000,
      about: () => `${before} were open before the round`,
    });
  });
}

/** Has the module make blocks of these lengths, bits. */
export async function distil(specimen: Specimen, bits: readonly number[]): Promise<Made[]> {
  const made: Made[] = [];
  for (const length of bits) made.push(await specimen.distil(length));
  return made;
}

export const names = (made: readonly Made[]) => made.map(({ facts }) => blockName(facts.ref));

/** Every block that came is one of these, as the module made it. */
export function assertIntact(t: Checks, seen: Observer, made: readonly Made[]): void {
  const known = new Map(made.map((one) => [blockName(one.facts.ref), one]));
  for (const block of seen.blocks) {
    const { facts, bytes } = known.get(blockName(block.ref)) ?? {};
    t.truthy(facts, "a block that was never made");
    const { bits, qber, siftedBits } = facts ?? {};
    const told = { bits, qber, siftedBits };
    // Of a module on a bench it may not be known what it measured.
    t.like(
      block.facts,
      Object.fromEntries(Object.entries(told).filter(([, one]) => one !== undefined)),
    );
    // Not deepEqual: a failure must not print key.
    t.true(bytes?.equals(block.expose()), `${blockName(block.ref)} holds what was distilled`);
  }
}
