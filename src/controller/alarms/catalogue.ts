/**
 * Every alarm that the controller can raise, in one table; what raises it is in `rules.ts`. `README.md` beside this
 * file is the same table for people; a test compares the two. Probable causes and types are those of ITU-T X.733
 * §8.1.1, §8.1.2.1 and, for security alarms, of X.736.
 */
import type { AlarmKind } from "../../ops/alarms/alarm-kind.ts";
import { machineKinds } from "../../ops/alarms/machine-alarms.ts";
import { managerKinds } from "../../ops/alarms/manager-alarms.ts";
import { stateKind } from "../../ops/alarms/program-alarms.ts";

const minute = 60_000;

export const catalogue = {
  km_away: {
    type: "communications",
    cause: "communicationsSubsystemFailure",
    severities: ["major"],
    raiseAfterMs: 30_000,
    text: "a key manager of the configuration is not connected: its links are known from the other ends alone",
    action: "look at the key manager, and at the network between: qkd-km doctor there",
  },
  link_bad: {
    type: "quality_of_service",
    cause: "performanceDegraded",
    severities: ["major"],
    raiseAfterMs: 2_000,
    clearAfterMs: 5_000,
    text: "a link takes no new relay: its quality, its stock or one of its ends does not allow it",
    action:
      "the alarm says why; look at the modules of the link and their nodes; if its key managers are none any more: qkd-controller withdraw km ID",
  },
  no_route: {
    type: "quality_of_service",
    cause: "performanceDegraded",
    severities: ["critical"],
    raiseAfterMs: 5_000,
    text: "there is no way between two nodes that want keys",
    action: "see which links are bad or out of service: qkd-controller links",
  },
  component_certificate: {
    type: "security",
    cause: "keyExpired",
    severities: ["major", "warning"],
    text: "a certificate that this controller issued runs out soon, and its holder has no later one",
    action:
      "give it another: qkd-controller certify KIND ID --csr FILE; major means within seven days",
  },
  access_refused: {
    type: "security",
    cause: "unauthorizedAccessAttempt",
    severities: ["warning"],
    quietMs: 10 * minute,
    text: "somebody connected over Ck whose certificate is not of a registered key manager",
    action:
      "register it if it is yours: qkd-controller register km ID; the log says where it came from",
  },
  km_twice: {
    type: "security",
    cause: "duplicateInformation",
    severities: ["major"],
    latched: true,
    quietMs: 10 * minute,
    text: "connections with this key manager's identity take each other's place again and again",
    action:
      "find who else has its certificate and key, as a copy of its disk: give it others and take these back; if there is none, look at its line",
  },
  store_away: {
    type: "processing_error",
    cause: "storageCapacityProblem",
    severities: ["critical"],
    raiseAfterMs: 2_000,
    clearAfterMs: 2_000,
    text: "the controller's store cannot be written: routes go on, what changes would be lost at a restart",
    action: "check the disk, or PostgreSQL and the network to it",
  },
  alarms_left_out: {
    type: "processing_error",
    cause: "queueSizeExceeded",
    severities: ["major"],
    clearAfterMs: minute,
    text: "there are more alarms than are kept: some links, pairs or key managers that have one are not listed",
    action:
      "look at qkd-controller links and pairs; a key manager that tells of many that are not there can be withdrawn",
  },
  standby: {
    type: "processing_error",
    cause: "applicationSubsystemFailure",
    severities: ["warning"],
    text: "another controller leads: this one waits, and takes over when that one is gone",
    action: "nothing, if it is meant; the other one is not looked after from here",
  },
  ...stateKind("routes go on"),
  ...machineKinds("controller", "qkd-controller"),
  ...managerKinds("controller", "controller.id"),
} as const satisfies Readonly<Record<string, AlarmKind>>;

export type ControllerAlarmName = keyof typeof catalogue;

export const alarmNames = Object.keys(catalogue) as readonly ControllerAlarmName[];

export function isAlarmName(name: string): name is ControllerAlarmName {
  return Object.hasOwn(catalogue, name);
}

/** The table's entry with its optional members. */
export function kindOf(name: string): AlarmKind {
  const kind: AlarmKind | undefined = isAlarmName(name) ? catalogue[name] : undefined;
  if (kind === undefined) throw new Error(`no alarm ${name} in the catalogue`);
  return kind;
}
