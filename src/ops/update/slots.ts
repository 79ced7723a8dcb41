/**
 * The two slots of an appliance, as its root part tells of them in a file that everybody may read: which
 * one runs, what is in the other, and whether the one that runs is on trial. Pure.
 */
import * as v from "valibot";

/** Where the root part tells. */
export const toldByRoot = "/run/qkd-update";

const slot = v.picklist(["a", "b"]);
const version = v.pipe(v.string(), v.maxLength(64));

const schema = v.object({
  v: v.literal(1),
  /** What RAUC calls the kind of machine. */
  board: v.pipe(v.string(), v.maxLength(64)),
  running: v.object({ slot, version }),
  other: v.object({
    slot,
    /** Absent where nothing was ever installed, or RAUC has no record of it. */
    version: v.optional(version),
    /** It can be started. */
    good: v.boolean(),
  }),
  /** What the next start takes. */
  next: v.optional(slot),
  /** The slot that runs is on trial until then, s since the kernel's start. */
  trial_until: v.optional(v.pipe(v.number(), v.minValue(0))),
});

export type Slots = v.InferOutput<typeof schema>;

/** @returns undefined if it is not what the root part writes */
export function parseSlots(text: string): Slots | undefined {
  try {
    const result = v.safeParse(schema, JSON.parse(text));
    return result.success ? result.output : undefined;
  } catch {
    return undefined;
  }
}

/** What an update is doing. `receiving`: from who gave the command here; `fetching`: over HTTPS. */
export type Phase = "receiving" | "fetching" | "checking" | "installing";

export interface UnderWay {
  readonly bundle: string;
  readonly phase: Phase;
  /** Part of the phase that is done, 0 to 1; absent where that is not known. */
  readonly done?: number;
}

export interface LastUpdate {
  readonly bundle: string;
  readonly status: "installed" | "refused";
  readonly reason?: string;
  readonly t: string;
}

/** What is told of updates. */
export interface UpdateStatus {
  /** Whether this machine is installed by images. */
  readonly appliance: boolean;
  readonly board?: string;
  readonly running?: { readonly slot: string; readonly version: string };
  readonly other?: { readonly slot: string; readonly version?: string; readonly good: boolean };
  readonly next?: string;
  readonly trial?: { readonly until: string; readonly left_s: number };
  readonly under_way?: UnderWay;
  /** Since the node's start. */
  readonly last?: LastUpdate;
}

/**
 * @param slots undefined: the root part has not told yet
 * @param uptime s since the kernel's start
 * @param wall ms since 1970 UTC
 */
export function describeSlots(
  slots: Slots | undefined,
  uptime: number,
  wall: number,
): Omit<UpdateStatus, "appliance"> {
  if (slots === undefined) return {};
  const { board, running, other, next, trial_until: end } = slots;
  const left = end === undefined ? undefined : Math.max(0, Math.ceil(end - uptime));
  return {
    board,
    running,
    other: {
      slot: other.slot,
      ...(other.version !== undefined && { version: other.version }),
      good: other.good,
    },
    ...(next !== undefined && { next }),
    ...(left !== undefined && {
      trial: { until: new Date(wall + left * 1_000).toISOString(), left_s: left },
    }),
  };
}

/** The part that RAUC says is done, from what it has printed so far, 0 to 1. */
export function partDone(said: string): number | undefined {
  const percent = [...said.matchAll(/^\s*(\d{1,3})% /gm)].at(-1)?.[1];
  return percent === undefined ? undefined : Math.min(1, Number(percent) / 100);
}
