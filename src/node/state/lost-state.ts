/** What is told of a lost generation of the small state, and when that ends. */
import { describe } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import type { StateStore } from "./store.ts";

/** What a lost generation may have undone: all else is on both (see `openState`). */
const undone =
  "Alarms may be older than told; if an earlier version wrote it, tampering, command counters, " +
  "thresholds too";

/** One line on the loss; undefined if there is none, or an operator has acknowledged it. */
export function lostGeneration({ data }: StateStore): string | undefined {
  if (data.lost === undefined) return undefined;
  const { file, why } = data.lost;
  return `${file} was ${why}: the other generation is used. ${undone}`;
}

/** An operator has seen it. If that can't be written it is told again at the next start. */
export function settleLost(state: StateStore, log: Log): void {
  if (state.data.lost === undefined) return;
  state
    .change((data) => {
      delete data.lost;
    })
    .catch((error) => log.warn("told again at the next start", { why: describe(error) }));
}
