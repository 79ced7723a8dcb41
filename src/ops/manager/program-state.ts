/** What any program that has a manager keeps in its small state. Pure. */
import * as v from "valibot";
import { savedAlarm } from "../alarms/saved.ts";
import { savedCommands } from "../commands/saved.ts";

const count = v.pipe(v.number(), v.integer(), v.minValue(0));

/** Members of its schema, to which a program adds its own. */
export const programState = {
  /** How often the program started on this state; never goes back. */
  boot: count,
  /** The generation that this is, and of which start. */
  written: v.optional(v.object({ generation: count, boot: count })),
  /** One of the two generations was lost, until it was told. */
  lost: v.optional(v.object({ boot: count, file: v.string(), why: v.string() })),
  /** The outbox was made: from then on it must be there. */
  outbox: v.optional(v.boolean()),
  /** Alarms that are raised, or whose clearing the manager has not seen. */
  alarms: v.optional(v.array(savedAlarm)),
  /** The last event in the outbox whose alarm is among them. */
  alarms_to: v.optional(count),
  /** Command keys: the highest counter seen, and what became of the last commands. */
  commands: v.optional(savedCommands),
} as const;
