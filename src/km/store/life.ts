/**
 * The life of a key on its way to applications, as one table. All changes of a use go through {@link next}:
 * it is the place to read for "a stretch of key is bound to one use for ever" (README, rule S1).
 *
 *     owner: O offered ─▶ S supplied      O ─▶ P pre-offered ─▶ S      O, P ─▶ V void
 *     peer:  B bound ─▶ T taken, X expired, V void
 *
 * S, T, X and V are final. Nothing goes back to free.
 */
import { assert } from "../../base/assert.ts";
import type { Fate, UseState } from "../../wire/kx/messages.ts";

/** What happens to a use. */
export type UseEntry = "prepare" | "supply" | "void" | "take" | "expire";

const table: Readonly<Record<UseState, Partial<Record<UseEntry, UseState>>>> = {
  O: { prepare: "P", supply: "S", void: "V" },
  P: { supply: "S", void: "V" },
  S: {},
  B: { take: "T", expire: "X", void: "V" },
  T: {},
  X: {},
  V: {},
};

/** Every step that {@link next} knows, for the documentation and its test. */
export function steps(): [UseState, UseEntry, UseState][] {
  return Object.entries(table).flatMap(([state, row]) =>
    Object.entries(row).map(([entry, to]) => [state, entry, to] as [UseState, UseEntry, UseState]),
  );
}

/** @throws Fault `invariant`: a step that the table does not have; it is a defect and ends the process */
export function next(state: UseState, entry: UseEntry): UseState {
  const to = table[state][entry];
  assert(to !== undefined, `a key on its way that is ${state} has the step ${entry}`);
  return to;
}

export function isFinal(state: UseState): boolean {
  return Object.keys(table[state]).length === 0;
}

/** A fate is told once and stays. @throws Fault `invariant` */
export function setFate(before: Fate | undefined, fate: Fate): Fate {
  assert(before === undefined || before === fate, "the other KM tells the same fate as before");
  return fate;
}
