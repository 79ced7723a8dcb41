import { type BrokerSubject, checkBroker, wellByAlarms } from "../../ops/doctor/broker.ts";
import { type CertificateSubject, checkCertificates } from "../../ops/doctor/certificates.ts";
import { checkConfiguration, checkRunning, type Daemon } from "../../ops/doctor/configuration.ts";
import { lookAt, noConfiguration, type Step, takeSteps } from "../../ops/doctor/examination.ts";
import { conclude, type Finding, type Report } from "../../ops/doctor/finding.ts";
import { checkClock, checkDisk, checkMemory, checkTemperature } from "../../ops/doctor/machine.ts";
import { checkNetwork } from "../../ops/doctor/network.ts";
import { checkPorts, place } from "../../ops/doctor/ports.ts";
import { checkStateFolder } from "../../ops/doctor/state-folder.ts";
import { certificateFiles, listFiles } from "../config/certificates.ts";
import type { ControllerConfig } from "../config/load.ts";
import type { ControllerStatus } from "../model/status.ts";
import {
  checkAlarms,
  checkKms,
  checkLinks,
  checkRole,
  checkRoutes,
  checkWhole,
} from "./network.ts";
import type { Running, Subject } from "./subject.ts";

const daemon: Daemon = {
  called: "the controller",
  command: "qkd-controller",
  check: "qkd-controller check-config",
  logs: "journalctl -u qkd-controller",
};
/** The part of the disk that is to be free. */
const enoughDisk = 0.1;

/** @param onStep called before each step with what comes and how much is done, 0 to 1 */
export async function examine(
  subject: Subject,
  onStep: (what: string, done: number) => void = () => {},
): Promise<Report> {
  const { clock, file, proc, sys } = subject;
  const { running, why, forbidden } = await lookAt(() => look(subject));
  const { findings, config } = checkConfiguration({
    ...subject,
    whose: ({ controller }) => `controller ${controller.id}`,
    daemon,
  });
  const runs = running && "runs";
  const found: Finding[] = [...findings, checkRunning("controller", daemon, runs, why, forbidden)];
  const steps: Step[] = [
    ...(config === undefined ? [noConfiguration] : stepsOf(config, subject, running, forbidden)),
    ["clock", async () => [await checkClock(clock, file)]],
    ["memory", () => [checkMemory(proc, undefined)]],
    ["temperature", () => [checkTemperature(sys)]],
    ...(running === undefined ? [] : stepsOfRunning(running)),
  ];
  const checks = await takeSteps(steps, found, onStep);
  const t = new Date(clock.wall()).toISOString();
  const controller = config?.controller.id ?? running?.status.controller;
  return conclude(checks, { controller, t, running: running !== undefined });
}

function stepsOf(
  config: ControllerConfig,
  { clock }: Subject,
  running: Running | undefined,
  forbidden: boolean,
): Step[] {
  const { controller, database, ck, web } = config;
  const places = [
    ...place("ck.port", ck.host, ck.port),
    ...(web?.enabled === true ? place("web.port", web.host, web.port) : []),
  ];
  const far = database !== undefined && !database.host.startsWith("/") ? database : undefined;
  return [
    ["state", () => [checkStateFolder(controller.state_dir, daemon.called)]],
    ["disk", async () => [await checkDisk(controller.state_dir, enoughDisk)]],
    ["certificates", () => checkCertificates(certificatesOf(config), clock.wall())],
    ["ports", () => checkPorts(places, running !== undefined || forbidden, daemon.called)],
    ["database", async () => (far ? checkNetwork("database", "PostgreSQL", far, clock) : [])],
    ["broker", () => checkBroker(brokerOf(config, running), clock)],
  ];
}

function stepsOfRunning(running: Running): Step[] {
  return [
    ["role", () => [checkRole(running)]],
    ["key managers", () => [checkKms(running)]],
    ["links", () => checkLinks(running)],
    ["routes", () => [checkRoutes(running)]],
    ["alarms", () => [checkAlarms(running)]],
    ["lists", () => checkWhole(running)],
  ];
}

function brokerOf(
  { controller, manager }: ControllerConfig,
  running: Running | undefined,
): BrokerSubject {
  const well = wellByAlarms(running?.status.alarms, manager?.url);
  return { id: controller.id, manager, daemon, well };
}

/** What the configuration says of certificates. */
function certificatesOf(config: ControllerConfig): CertificateSubject {
  const [sets, lists] = [certificateFiles(config), listFiles(config)];
  const { certificate_days: days, crl_left: crlLeft } = config.alarms;
  return { sets, lists, days, crlLeft };
}

async function look({ ask }: Subject): Promise<Running> {
  return { status: (await ask("status")) as ControllerStatus };
}
