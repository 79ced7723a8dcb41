import { type BrokerSubject, checkBroker, wellByAlarms } from "../../ops/doctor/broker.ts";
import { type CertificateSubject, checkCertificates } from "../../ops/doctor/certificates.ts";
import { checkConfiguration, checkRunning, type Daemon } from "../../ops/doctor/configuration.ts";
import { lookAt, noConfiguration, type Step, takeSteps } from "../../ops/doctor/examination.ts";
import { conclude, type Finding, type Report } from "../../ops/doctor/finding.ts";
import { checkClock, checkDisk, checkMemory, checkTemperature } from "../../ops/doctor/machine.ts";
import { checkPorts, type Place, place } from "../../ops/doctor/ports.ts";
import { checkStateFolder } from "../../ops/doctor/state-folder.ts";
import { certificateFiles, listFiles } from "../config/certificates.ts";
import type { KmConfig } from "../config/load.ts";
import type { KmStatus } from "../model/status.ts";
import { checkController } from "./controllers.ts";
import { checkMasterKey } from "./master-key.ts";
import { checkNodes } from "./nodes.ts";
import { checkPeer } from "./peer.ts";
import { checkAlarms, checkLinks, checkRestored, checkStore } from "./state.ts";
import { checkStoreAtRest } from "./store-at-rest.ts";
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
  const { running, why, forbidden } = await lookAt(() => look(subject));
  const { findings, config } = checkConfiguration({
    ...subject,
    whose: ({ km }) => `key manager ${km.id}`,
    daemon,
  });
  const { pid, rss_bytes: rss } = running?.status ?? {};
  const runs = running && `runs (process ${pid})`;
  const memory = rss === undefined ? undefined : { called: daemon.called, rss };
  const found: Finding[] = [...findings, checkRunning("km", daemon, runs, why, forbidden)];
  const ofFile: Step[] =
    config === undefined
      ? [noConfiguration]
      : [
          ["state", () => [checkStateFolder(config.km.state_dir, daemon.called)]],
          ["disk", async () => [await checkDisk(config.km.state_dir, enoughDisk)]],
          ["master key", async () => [await checkMasterKey(config, running !== undefined)]],
          ...(running !== undefined || forbidden
            ? []
            : [["store", async () => [await checkStoreAtRest(config)]] as Step]),
        ];
  const ofOthers: Step[] =
    config === undefined
      ? []
      : [
          ["certificates", () => checkCertificates(certificatesOf(config), clock.wall())],
          [
            "ports",
            () => checkPorts(placesOf(config), running !== undefined || forbidden, daemon.called),
          ],
          ...config.links.map(
            (link): Step => [
              `link ${link.name}`,
              () => checkPeer(link, config, running, forbidden, clock),
            ],
          ),
          ...config.controllers.map(
            (one): Step => [
              `controller ${one.name}`,
              () => checkController(one, running, forbidden, clock),
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
  const checks = await takeSteps(steps, found, onStep);
  const t = new Date(clock.wall()).toISOString();
  const km = config?.km.id ?? running?.status.km_id;
  return conclude(checks, { km, t, running: running !== undefined });
}

function placesOf({ kq1, kx, etsi014, skip: psk, web }: KmConfig): Place[] {
  return [
    ...(kq1 === undefined
      ? []
      : [
          ...place("kq1.port", kq1.host, kq1.port),
          ...place("kq1.https_port", kq1.host, kq1.https_port),
        ]),
    ...(kx === undefined ? [] : place("kx.port", kx.host, kx.port)),
    ...(etsi014 === undefined ? [] : place("etsi014.port", etsi014.host, etsi014.port)),
    ...(psk === undefined ? [] : place("skip.port", psk.host, psk.port)),
    ...(web?.enabled === true ? place("web.port", web.host, web.port) : []),
  ];
}

function brokerOf({ km, manager }: KmConfig, running: Running | undefined): BrokerSubject {
  const well = wellByAlarms(running?.status.alarms, manager?.url);
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
