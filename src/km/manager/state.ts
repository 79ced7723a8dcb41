/** The key manager's small state: alarms, commands, where telling stands. Neither key nor books of keys. */
import * as v from "valibot";
import { savedAlarm } from "../../ops/alarms/saved.ts";
import { savedCommands } from "../../ops/commands/saved.ts";
import type { StateKind } from "../../ops/manager/durable-state.ts";
import { isAlarmName, kindOf } from "../alarms/catalogue.ts";

const count = v.pipe(v.number(), v.integer(), v.minValue(0));

/** What a later version adds is kept. */
const schema = v.looseObject({
  /** How often the key manager started on this state; never goes back. */
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
  /** Behind the last record that the broker has. */
  records_to: v.optional(v.pipe(v.string(), v.regex(/^\d{12,}\.\d{12,}\.\d{12,}$/))),
});

export type KmState = v.InferOutput<typeof schema>;

/** All but what is measured anew, and what is only told again. */
function reliedUpon({ alarms = [], alarms_to: _a, records_to: _r, written: _w, ...rest }: KmState) {
  const lasting = alarms.filter(({ name, severity, acknowledged }) => {
    if (severity === "cleared") return false;
    return acknowledged || (isAlarmName(name) && kindOf(name).latched === true);
  });
  const facts = lasting.map(({ id, acknowledged }) => `${id} ${acknowledged}`);
  return JSON.stringify({ ...rest, alarms: facts });
}

export const stateKind: StateKind<KmState> = {
  parse: (value) => v.parse(schema, value),
  empty: { boot: 0 },
  reliedUpon,
  madeLater: /^outbox$/,
};
