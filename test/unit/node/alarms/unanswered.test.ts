import test from "ava";
import { refusal } from "../../../../drivers/qmlp/hello.ts";
import { ms } from "../../../../src/base/duration.ts";
import { describe, Fault } from "../../../../src/base/errors.ts";
import { ModuleRules } from "../../../../src/node/alarms/module-rules.ts";
import { standardThresholds } from "../../../../src/node/alarms/thresholds.ts";
import { adviceOf } from "../../../../src/node/alarms/unanswered.ts";
import { type Conditions, verdictKinds } from "../../../../src/node/alarms/verdict.ts";
import { AlarmBench } from "../../../rig/alarm-bench.ts";

for (const [why, advice] of [
  ["cannot open serial port: another process has it", /^find it with fuser/],
  ["another process has the folder", /^find it with fuser/],
  ["cannot open serial port: there is no such device", /^check power and cable/],
  ["cannot open serial port: permission denied", /group and mode/],
  ["the KME does not answer: connection refused", /^check the KME/],
  ["the KME is away: no answer in time", /^check the KME/],
  ["nothing that speaks QMLP answers", /baud rate/],
  ["another module answers; if that is meant: qkd-node accept-module", /who exchanged it/],
  ["module is paired with another matching module", /who exchanged it/],
  ["card is not ready", /firmware/],
  ["serial port closed (source=/dev/ttyUSB0, code=gone)", undefined],
] as const) {
  test(`advice where a module does not answer: ${why}`, (t) => {
    if (advice === undefined) t.is(adviceOf(why), undefined);
    else t.regex(adviceOf(why) ?? "", advice);
  });
}

test("each refusal of a module has its advice, and none is told to be zeroized that is not", (t) => {
  for (const [reason, why] of Object.entries(refusal)) {
    const fault = new Fault("qmlp.refused", why, { reason, zeroized: reason === "3" });
    const advice = adviceOf(describe(fault)) ?? "";
    t.regex(advice, why === "module is zeroized" ? /destroyed/ : /power-cycle/, why);
  }
});

test("the verdict about a module that does not answer says what to do about that reason", (t) => {
  const bench = new AlarmBench();
  const options = { module: "m", qberLimit: 0.11, intermittent: false, answerTimeout: ms(10_000) };
  const rules = new ModuleRules({ ...options, thresholds: standardThresholds() }, bench.book);
  const none = { supplied: 0, confirmed: 0, withheld: 0, quarantined: 0, refused: {} };
  const told = (moduleTrouble: string) => {
    const conditions: Conditions = {
      module: "DOWN",
      moduleTrouble,
      kms: [{ name: "km", condition: "UP", trouble: "" }],
      halted: undefined,
      ledgerTrouble: undefined,
      onRequest: false,
      heldBlocks: 0,
      keptBack: {},
    };
    const { code, action } = rules.verdict(none, conditions, bench.moment);
    t.is(code, "module_down");
    return action;
  };
  bench.run(30, (moment) => rules.moduleDown("no such device", false, moment));
  t.regex(told("cannot open serial port: another process has it"), /fuser/);
  t.is(told("serial port closed"), verdictKinds.module_down.action);
});
