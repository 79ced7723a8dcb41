/** Does the module answer, is it the right one, and how is it? */

import { type Clock, within } from "../../base/clock.ts";
import { describe, Fault } from "../../base/errors.ts";
import { silentLog } from "../../base/log.ts";
import { hold } from "../../host/disk/hold.ts";
import { type Finding, fail, ok, skip, warn } from "../../ops/doctor/finding.ts";
import { adviceOf } from "../alarms/unanswered.ts";
import type { ModuleConfig } from "../config/tables.ts";
import { type Probed, probe } from "./probing.ts";
import type { Running } from "./subject.ts";

/** A probe has deadlines of its own; this is for a device that hangs. */
const patience = 15_000;

const names = (module: ModuleConfig) => {
  const of = (what: string, title: string) =>
    [`module.${module.name}.${what}`, `${title} of ${module.name}`] as const;
  return {
    answers: of("answers", "answer"),
    identity: of("identity", "identity"),
    state: of("state", "state"),
  };
};

export async function checkModule(
  module: ModuleConfig,
  running: Running | undefined,
  clock: Clock,
): Promise<Finding[]> {
  if (running !== undefined) return checkRunning(module, running);
  const { answers } = names(module);
  if (!module.driver.probed) {
    return [skip(answers, `only the node itself may listen to ${module.driver.kind}: start it`)];
  }
  const driver = module.driver.create({ clock, log: silentLog, hold });
  try {
    const late = () => new Fault("link.stalled", "the device hangs", { limit_ms: patience });
    return checkProbed(
      module,
      await within(
        clock,
        patience,
        probe(driver, clock, () => {}),
        late,
      ),
    );
  } catch (error) {
    return [unanswered(module, describe(error))];
  }
}

function unanswered(module: ModuleConfig, why: string): Finding {
  const advice = adviceOf(why) ?? "see qkd-node logs, and the module's manual";
  return fail(names(module).answers, why, advice);
}

function checkProbed(module: ModuleConfig, found: Probed): Finding[] {
  const { answers, state } = names(module);
  const { identity, telemetry, answered_after_ms } = found;
  const qber = telemetry?.qber;
  return [
    ok(answers, `${identity.protocol}, after ${answered_after_ms} ms`),
    checkIdentity(module, identity.moduleId, identity.matchingModuleId),
    telemetry === undefined
      ? warn(
          state,
          "it sent no telemetry within 3 s",
          "have it distil: qkd-node start, once the node runs",
        )
      : checkQber(module, typeof qber === "number" ? qber : undefined),
  ];
}

function checkIdentity(module: ModuleConfig, id: string, matching: string): Finding {
  const { identity } = names(module);
  const { module_id, matching_module_id } = module;
  if (module_id !== undefined && id !== module_id) {
    const advice =
      "find out who exchanged it; if it was meant, change module_id and restart the node";
    return fail(identity, `another module answers: ${id} instead of ${module_id}`, advice);
  }
  if (matching_module_id !== undefined && matching !== "" && matching !== matching_module_id) {
    const advice = "check which modules the fibre joins; if it is right, change matching_module_id";
    return fail(identity, `it is paired with ${matching}, not with ${matching_module_id}`, advice);
  }
  if (matching_module_id === undefined && matching === "") {
    const advice = "set matching_module_id in the configuration";
    return fail(identity, `${id} does not tell its matching module`, advice);
  }
  return ok(identity, `${id}, paired with ${matching_module_id ?? matching}`);
}

function checkQber(module: ModuleConfig, qber: number | undefined): Finding {
  const { state } = names(module);
  if (qber === undefined) return ok(state, "it measures; no QBER yet");
  const percent = (ratio: number) => `${(ratio * 100).toFixed(2)} %`;
  const detail = `QBER ${percent(qber)}, limit ${percent(module.qber_limit)}`;
  if (qber > module.qber_limit) {
    const advice =
      "keys are withheld: treat the fibre as tapped until shown otherwise, then realign";
    return fail(state, detail, advice);
  }
  if (qber > module.alarms.qber_warning) {
    return warn(state, detail, "plan maintenance: alignment, connectors, detectors");
  }
  return ok(state, detail);
}

function checkRunning(module: ModuleConfig, { status, links, alarms }: Running): Finding[] {
  const { answers, identity, state } = names(module);
  const told = status.modules.find(({ name }) => name === module.name);
  const link = links.modules.find((one) => one.module === module.name);
  if (told === undefined || link === undefined) {
    return [skip(answers, "the node that runs does not know this module: restart it")];
  }
  if (told.state === "OUT") {
    // It says itself how it is settled.
    const advice = told.reason.includes("ledger adopt")
      ? "stop the node, then do what it says; qkd-node ledger check names the ledgers"
      : "qkd-node ledger check says what is wrong, once the node is stopped; then ledger repair";
    return [fail(state, `not served: ${told.reason}`, advice)];
  }
  if (!link.up) {
    // A stranger does answer.
    if (/another module answers|paired with another|does not tell its matching/.test(link.reason)) {
      const meant =
        module.module_id === undefined
          ? "qkd-node accept-module"
          : "change module_id and restart the node";
      const advice = `find out who exchanged it; if it was meant: ${meant}`;
      return [ok(answers, "a module answers"), fail(identity, link.reason, advice)];
    }
    return [unanswered(module, link.reason)];
  }
  const { module_id = "", matching_module_id = "" } = told;
  const found = [ok(answers, "connected"), checkIdentity(module, module_id, matching_module_id)];
  const raised = alarms.alarms.filter(
    ({ object, active }) =>
      active && (object === module.name || object.startsWith(`${module.name}.`)),
  );
  // Those of its KMs are looked at with them.
  const [alarm] = raised.filter(({ alarm: id }) => !/^km_|^key_refused/.test(id));
  const { health } = told;
  if (health?.verdict === "stopped") return [...found, warn(state, health.text, health.action)];
  if (alarm === undefined) return [...found, checkQber(module, told.qber)];
  const detail = `alarm ${alarm.alarm} (${alarm.severity}): ${alarm.text}`;
  const grave = alarm.severity === "critical" || alarm.severity === "major";
  return [...found, (grave ? fail : warn)(state, detail, alarm.action)];
}
