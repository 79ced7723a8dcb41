/** The key manager's small state: alarms, commands, where telling stands. Neither key nor books of keys. */
import * as v from "valibot";
import { lastingAlarms, type StateKind } from "../../ops/manager/durable-state.ts";
import { programState } from "../../ops/manager/program-state.ts";
import { services } from "../../wire/ck/names.ts";
import { isAlarmName, kindOf } from "../alarms/catalogue.ts";

/** What a later version adds is kept. */
const schema = v.looseObject({
  ...programState,
  /** What controllers said last, by KM ID: ways to other KMs, and which links are in service. */
  controlled: v.optional(
    v.object({
      routes: v.record(v.string(), v.array(v.array(v.string()))),
      services: v.record(v.string(), v.picklist(services)),
    }),
  ),
  /** Behind the last record that the broker has. */
  records_to: v.optional(v.pipe(v.string(), v.regex(/^\d{12,}\.\d{12,}\.\d{12,}$/))),
});

export type KmState = v.InferOutput<typeof schema>;

/** All but what is measured anew, and what is only told again. */
function reliedUpon(state: KmState) {
  const { alarms, alarms_to: _a, records_to: _r, written: _w, controlled: _c, ...rest } = state;
  const isLatched = (name: string) => isAlarmName(name) && kindOf(name).latched === true;
  return JSON.stringify({ ...rest, alarms: lastingAlarms(alarms, isLatched) });
}

export const stateKind: StateKind<KmState> = {
  parse: (value) => v.parse(schema, value),
  empty: { boot: 0 },
  reliedUpon,
  madeLater: /^outbox$/,
};
