/**
 * The doctor: looks at a key manager in the order in which an expert would, so that the first thing that is wrong
 * is the cause, and what follows may be its consequence. It changes nothing, takes no key, and opens no session.
 */
import { describe } from "../../base/errors.ts";
import { exit } from "../../base/exit-codes.ts";
import { type BrokerSubject, checkBroker } from "../../ops/doctor/broker.ts";
import { type CertificateSubject, checkCertificates } from "../../ops/doctor/certificates.ts";
import { checkConfiguration, checkRunning, type Daemon } from "../../ops/doctor/configuration.ts";
import { conclude, type Finding, type Report, skip } from "../../ops/doctor/finding.ts";
import { checkClock, checkDisk, checkMemory, checkTemperature } from "../../ops/doctor/machine.ts";
import { checkStateFolder } from "../../ops/doctor/state-folder.ts";
import { certificateFiles, listFiles } from "../config/certificates.ts";
import type { KmConfig } from "../config/load.ts";
import type { KmStatus } from "../model/status.ts";
import { checkMasterKey } from "./master-key.ts";
import { checkNodes } from "./nodes.ts";
import { checkPeer } from "./peer.ts";
import { checkPorts } from "./ports.ts";
import { checkAlarms, checkLinks, checkRestored, checkStore } from "./state.ts";
import type { Running, Subject } from "./subject.ts";

const daemon: Daemon = {
  called: "the key manager",
  command: "qkd-km",
  check: "qkd-km check-config",
  logs: "journalctl -u qkd-km",
};
/** The part of the disk that is to be free. */
const enoughDisk = 0.1;
/** Lines of its log that are looked through. */
const logLines = 500;

/** @param onStep called before each step with what comes and how much is done, 0 to 1 */
export async function examine(
  subject: Subject,
  onStep: (what: string, done: number) => void = () => {},
): Promise<Report> {
  const { clock, file, proc, sys } = subject;
  let why = "";
  let forbidden = false;
  const running = await look(subject).catch((error: unknown) => {
    why = error instanceof Error ? error.message : describe(error);
    forbidden = (error as { exitCode?: unknown }).exitCode === exit.noPermission;
    return undefined;
  });
  const { findings, config } = checkConfiguration({
    ...subject,
    whose: ({ km }) => `key manager ${km.id}`,
    daemon,
  });
  const { pid, rss_bytes: rss } = running?.status ?? {};
  const runs = running && `runs (process ${pid})`;
  const memory = rss === undefined ? undefined : { called: daemon.called, rss };
  const checks: Finding[] = [...findings, checkRunning("km", daemon, runs, why, forbidden)];
  type Step = readonly [string, () => Promise<Finding[]> | Finding[]];
  const ofFile: Step[] =
    config === undefined
      ? [["", () => [skip(["rest", "everything else"], "needs a configuration that can be read")]]]
      : [
          ["state", () => [checkStateFolder(config.km.state_dir, daemon.called)]],
          ["disk", async () => [await checkDisk(config.km.state_dir, enoughDisk)]],
          ["master key", async () => [await checkMasterKey(config, running !== undefined)]],
        ];
  const ofOthers: Step[] =
    config === undefined
      ? []
      : [
          ["certificates", () => checkCertificates(certificatesOf(config), clock.wall())],
          ["ports", () => checkPorts(config, running !== undefined || forbidden)],
          ...config.links.map(
            (link): Step => [
              `link ${link.name}`,
              () => checkPeer(link, config, running, forbidden, clock),
            ],
          ),
          ["broker", () => checkBroker(brokerOf(config, running), clock)],
        ];
  const ofRunning: Step[] =
    running === undefined
      ? []
      : [
          ["store", () => [checkStore(running)]],
          ["nodes", () => checkNodes(running)],
          ["links", () => checkLinks(running)],
          ["alarms", () => [checkAlarms(running)]],
        ];
  const steps: Step[] = [
    // Whatever else is wrong, with a disk that was put back nothing is to be done before that is understood.
    ["restored disks", () => checkRestored(running)],
    ...ofFile,
    ["clock", async () => [await checkClock(clock, file)]],
    ...ofOthers,
    ["memory", () => [checkMemory(proc, memory)]],
    ["temperature", () => [checkTemperature(sys)]],
    ...ofRunning,
  ];
  for (const [i, [what, step]] of steps.entries()) {
    onStep(what, i / steps.length);
    checks.push(...(await step()));
  }
  const t = new Date(clock.wall()).toISOString();
  const km = config?.km.id ?? running?.status.km_id;
  return conclude(checks, { km, t, running: running !== undefined });
}

/** The manager's broker: one of which no alarm tells is not asked again. */
function brokerOf({ km, manager }: KmConfig, running: Running | undefined): BrokerSubject {
  const about = ["broker_unreachable.manager", "broker_takeover.manager"];
  const told = running?.status.alarms.some(({ alarm }) => about.includes(alarm));
  const well = told === false ? `${manager?.url ?? ""}: no alarm tells of it` : undefined;
  return { id: km.id, manager, daemon, well };
}

/** What the configuration says of certificates. */
function certificatesOf(config: KmConfig): CertificateSubject {
  const [sets, lists] = [certificateFiles(config), listFiles(config)];
  const { certificate_days: days, crl_left: crlLeft } = config.alarms;
  return { sets, lists, days, crlLeft };
}

async function look({ ask }: Subject): Promise<Running> {
  const status = (await ask("status")) as KmStatus;
  // Of an older key manager there is no log to be had.
  const log = (await ask("logs", { n: logLines }).catch(() => undefined)) as
    | { readonly lines?: readonly string[] }
    | undefined;
  return { status, log: log?.lines ?? [] };
}
