/**
 * The doctor: looks at a node in the order in which an expert would, so that the first thing that is
 * wrong is the cause, and what follows may be its consequence. It changes nothing and takes no key.
 */

import { type BrokerSubject, checkBroker } from "../../ops/doctor/broker.ts";
import { type CertificateSubject, checkCertificates } from "../../ops/doctor/certificates.ts";
import { checkConfiguration, checkRunning, type Daemon } from "../../ops/doctor/configuration.ts";
import { lookAt, noConfiguration, type Step, takeSteps } from "../../ops/doctor/examination.ts";
import { conclude, type Finding, type Report, warn } from "../../ops/doctor/finding.ts";
import { checkClock, checkDisk, checkMemory, checkTemperature } from "../../ops/doctor/machine.ts";
import { checkStateFolder, daemonUser } from "../../ops/doctor/state-folder.ts";
import { notTakenText } from "../../ops/site/told.ts";
import { certificateFiles, listFiles } from "../config/certificates.ts";
import type { Config } from "../config/load.ts";
import { checkAlarms } from "./alarms.ts";
import { checkDevices } from "./devices.ts";
import { checkKm, kmsOf } from "./km.ts";
import { checkModule } from "./modules.ts";
import { checkStateFiles } from "./state-files.ts";
import type { AlarmFacts, LinkFacts, NodeFacts, Running, Subject } from "./subject.ts";
import { checkKeptBack, checkSupply } from "./supply.ts";

const daemon: Daemon = {
  called: "the node",
  command: "qkd-node",
  check: "qkd-node config check",
  logs: "qkd-node logs",
};

/** @param onStep called before each step with what comes and how much is done, 0 to 1 */
export async function examine(
  subject: Subject,
  onStep: (what: string, done: number) => void = () => {},
): Promise<Report> {
  const { clock, file, proc, sys } = subject;
  const { running, why, forbidden } = await lookAt(() => look(subject));
  const { findings, config } = checkConfiguration({
    ...subject,
    whose: ({ node }) => `node ${node.id}`,
    daemon,
  });
  const { pid, boot, rss_bytes: rss } = running?.status ?? {};
  const runs = running && `runs (process ${pid}, start ${boot})`;
  const memory = rss === undefined ? undefined : { called: daemon.called, rss };
  const found: Finding[] = [
    ...findings,
    ...checkDigest(config, running),
    ...checkSite(running),
    checkRunning("node", daemon, runs, why, forbidden),
  ];
  const machine: Step[] = [
    ["memory", () => [checkMemory(proc, memory)]],
    ["temperature", () => [checkTemperature(sys)]],
    ["supply", () => (running === undefined ? [] : checkSupply(running))],
    ["what is kept back", () => (running === undefined ? [] : checkKeptBack(running))],
    ["alarms", () => (running === undefined ? [] : [checkAlarms(running)])],
  ];
  const steps: Step[] =
    config === undefined
      ? [noConfiguration, ["clock", async () => [await checkClock(clock, file)]], ...machine]
      : [
          [
            "state",
            async () => [
              checkStateFolder(config.node.state_dir, daemon.called),
              ...(await checkStateFiles(config, running)),
            ],
          ],
          [
            "devices",
            async () => {
              const user = await daemonUser(config.node.state_dir, {
                unit: daemon.command,
                pid,
                proc,
              });
              return config.modules.flatMap((one) => checkDevices(one, user));
            },
          ],
          ...config.modules.map(
            (one): Step => [`module ${one.name}`, () => checkModule(one, running, clock)],
          ),
          ["clock", async () => [await checkClock(clock, file)]],
          ["certificates", () => checkCertificates(certificatesOf(config), clock.wall())],
          ...kmsOf(config).map(
            (km): Step => [`KM ${km.name}`, () => checkKm(km, config, running, clock)],
          ),
          ["broker", () => checkBroker(brokerOf(config, running), clock)],
          [
            "disk",
            async () => [await checkDisk(config.node.state_dir, config.alarms.storage_free)],
          ],
          ...machine,
        ];
  // A device that is not there, or not to be used, cannot answer; nor can one that the node has open, and does not say
  // how it is.
  const passes = (what: string, before: readonly Finding[]) =>
    what.startsWith("module ") && (forbidden || failed(before, `device.${what.slice(7)}`));
  const checks = await takeSteps(steps, found, onStep, passes);
  const t = new Date(clock.wall()).toISOString();
  return conclude(checks, {
    node: config?.node.id ?? running?.status.node,
    t,
    running: running !== undefined,
    supply: running && supplyOf(running),
  });
}

/** Whether a node that runs does so with what its file says now. */
function checkDigest(config: Config | undefined, running: Running | undefined): Finding[] {
  if (config === undefined || running === undefined) return [];
  if (running.status.config.digest === config.digest) return [];
  const advice = "qkd-node config diff shows what is other; restart the node to take it";
  return [warn(["config.running", "configuration"], "the node runs with another one", advice)];
}

/** On an appliance: whether the last configuration that came is the one in force. */
function checkSite(running: Running | undefined): Finding[] {
  const refused = running?.status.site?.not_taken;
  if (refused === undefined) return [];
  const advice = "mend what is said there, turn the panel's key, and plug its stick in again";
  return [warn(["config.site", "site's configuration"], notTakenText(refused), advice)];
}

/** The manager's broker, and what a running node says of it. */
function brokerOf({ node, manager }: Config, running: Running | undefined): BrokerSubject {
  const told = running?.status.broker;
  const well = told?.up === true ? `${told.url}, connected` : undefined;
  return { id: node.id, manager, daemon, well };
}

/** What the configuration says of certificates. */
export function certificatesOf(config: Config): CertificateSubject {
  const { certificate_days: days, crl_left: crlLeft } = config.alarms;
  return { sets: certificateFiles(config), lists: listFiles(config), days, crlLeft };
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
