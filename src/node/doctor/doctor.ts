/**
 * The doctor: looks at a node in the order in which an expert would, so that the first thing that is
 * wrong is the cause, and what follows may be its consequence. It changes nothing and takes no key.
 */

import { describe } from "../../base/errors.ts";
import { exit } from "../../base/exit-codes.ts";
import { checkAlarms } from "./alarms.ts";
import { checkBroker } from "./broker.ts";
import { checkCertificates } from "./certificates.ts";
import { checkConfiguration, checkNode } from "./configuration.ts";
import { checkDevices, checkState, nodeUser } from "./devices.ts";
import { conclude, type Finding, type Report, skip } from "./finding.ts";
import { checkKm, kmsOf } from "./km.ts";
import { checkClock, checkDisk, checkMemory, checkTemperature } from "./machine.ts";
import { checkModule } from "./modules.ts";
import { checkStateFiles } from "./state-files.ts";
import type { AlarmFacts, LinkFacts, NodeFacts, Running, Subject } from "./subject.ts";
import { checkKeptBack, checkSupply } from "./supply.ts";

/** @param onStep called before each step with what comes and how much is done, 0 to 1 */
export async function examine(
  subject: Subject,
  onStep: (what: string, done: number) => void = () => {},
): Promise<Report> {
  const { clock } = subject;
  let why = "";
  let forbidden = false;
  const running = await look(subject).catch((error: unknown) => {
    why = error instanceof Error ? error.message : describe(error);
    forbidden = (error as { exitCode?: unknown }).exitCode === exit.noPermission;
    return undefined;
  });
  const { findings, config } = checkConfiguration(subject, running);
  const checks: Finding[] = [...findings, checkNode(running, why, forbidden)];
  type Step = readonly [string, () => Promise<Finding[]> | Finding[]];
  const machine: Step[] = [
    ["memory", () => [checkMemory(subject, running)]],
    ["temperature", () => [checkTemperature(subject)]],
    ["supply", () => (running === undefined ? [] : checkSupply(running))],
    ["what is kept back", () => (running === undefined ? [] : checkKeptBack(running))],
    ["alarms", () => (running === undefined ? [] : [checkAlarms(running)])],
  ];
  const steps: Step[] =
    config === undefined
      ? [
          ["", () => [skip(["rest", "everything else"], "needs a configuration that can be read")]],
          ["clock", async () => [await checkClock(subject)]],
          ...machine,
        ]
      : [
          ["state", async () => [checkState(config), ...(await checkStateFiles(config, running))]],
          ["devices", () => config.modules.flatMap((one) => checkDevices(one, nodeUser(config)))],
          ...config.modules.map(
            (one): Step => [`module ${one.name}`, () => checkModule(one, running, clock)],
          ),
          ["clock", async () => [await checkClock(subject)]],
          ["certificates", () => checkCertificates(config, clock.wall())],
          ...kmsOf(config).map(
            (km): Step => [`KM ${km.name}`, () => checkKm(km, config, running, clock)],
          ),
          ["broker", () => checkBroker(config, running, clock)],
          ["disk", async () => [await checkDisk(config)]],
          ...machine,
        ];
  for (const [i, [what, step]] of steps.entries()) {
    onStep(what, i / steps.length);
    // A device that is not there, or not to be used, cannot answer.
    if (what.startsWith("module ") && failed(checks, `device.${what.slice(7)}`)) continue;
    // The node has it open, and does not say how it is.
    if (what.startsWith("module ") && forbidden) continue;
    checks.push(...(await step()));
  }
  const t = new Date(clock.wall()).toISOString();
  return conclude(checks, {
    node: config?.node.id ?? running?.status.node,
    t,
    running: running !== undefined,
    supply: running && supplyOf(running),
  });
}

/** The node's verdicts; undefined if it is older, and has none. */
function supplyOf({ status }: Running): Report["supply"] {
  const told = status.modules.flatMap(({ name, health }) =>
    health === undefined ? [] : [{ name, health }],
  );
  return told.length < status.modules.length ? undefined : told;
}

function failed(checks: readonly Finding[], id: string): boolean {
  return checks.some((check) => check.id === id && check.status === "fail");
}

async function look({ ask }: Subject): Promise<Running> {
  const status = (await ask("status")) as NodeFacts;
  const links = (await ask("links")) as LinkFacts;
  const alarms = (await ask("alarms")) as AlarmFacts;
  return { status, links, alarms };
}
