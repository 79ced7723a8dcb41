/** The controller's small state: alarms, commands. What it keeps of the network is in its store. */
import * as v from "valibot";
import { lastingAlarms, type StateKind } from "../../ops/manager/durable-state.ts";
import { programState } from "../../ops/manager/program-state.ts";
import { isAlarmName, kindOf } from "../alarms/catalogue.ts";

/** What a later version adds is kept. */
const schema = v.looseObject({
  ...programState,
});

export type ControllerState = v.InferOutput<typeof schema>;

/** All but what is measured anew, and what is only told again. */
function reliedUpon({ alarms, alarms_to: _a, written: _w, ...rest }: ControllerState): string {
  const lasting = lastingAlarms(
    alarms,
    (name) => isAlarmName(name) && kindOf(name).latched === true,
  );
  return JSON.stringify({ ...rest, alarms: lasting });
}

export const stateKind: StateKind<ControllerState> = {
  parse: (value) => v.parse(schema, value),
  empty: { boot: 0 },
  reliedUpon,
  madeLater: /^outbox$/,
};
