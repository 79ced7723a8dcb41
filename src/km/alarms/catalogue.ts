/**
 * Every alarm that the key manager can raise, in one table; what raises it is in `rules.ts`. `README.md` beside
 * this file is the same table for people; a test compares the two. Probable causes and types are those of ITU-T
 * X.733 §8.1.1, §8.1.2.1 and, for security alarms, of X.736.
 */
import type { AlarmKind } from "../../ops/alarms/alarm-kind.ts";
import { machineKinds } from "../../ops/alarms/machine-alarms.ts";
import { managerKinds } from "../../ops/alarms/manager-alarms.ts";
import { stateKind } from "../../ops/alarms/program-alarms.ts";
import { storeFullAction } from "../model/verdict.ts";

const minute = 60_000;

export const catalogue = {
  peer_away: {
    type: "communications",
    cause: "communicationsSubsystemFailure",
    severities: ["major"],
    raiseAfterMs: 30_000,
    text: "the key manager at the other end of the link is not connected: keys wait uncompared",
    action: "look at both key managers and the network between them: qkd-km links, the log",
  },
  controller_away: {
    type: "communications",
    cause: "communicationsSubsystemFailure",
    severities: ["minor"],
    raiseAfterMs: 30_000,
    text: "no controller is connected: keys are relayed by the routes that are known, and no others",
    action: "look at the controllers and the network to them: qkd-km doctor",
  },
  controllers_disagree: {
    type: "processing_error",
    cause: "configurationOrCustomizationError",
    severities: ["major"],
    quietMs: 10 * minute,
    text: "two controllers order opposite things of this link by turns: each undoes what the other ordered",
    action:
      "give both controllers the same orders (qkd-controller service, route), or take one out of this configuration; two with one database have one that leads",
  },
  matching_fails: {
    type: "quality_of_service",
    cause: "performanceDegraded",
    severities: ["major"],
    raiseAfterMs: minute,
    text: "keys wait for their match though the other key manager is connected",
    action:
      "look at the alarms of the other key manager: its disk may not answer; then at the nodes of both ends: one does not supply what the other does; or matching_mac of the link differs, as the log of one end says",
  },
  keys_unmatched: {
    type: "quality_of_service",
    cause: "thresholdCrossed",
    severities: ["minor"],
    quietMs: 10 * minute,
    text: "keys found no match in time and were dropped",
    action: "look for the end that lacks them: its node, its module, a store that was put back",
  },
  keys_differ: {
    type: "security",
    cause: "informationModificationDetected",
    severities: ["critical"],
    latched: true,
    quietMs: 10 * minute,
    text: "a key has other bytes at the two ends of the link: void at both",
    action:
      "take the link for disturbed until shown otherwise: modules, nodes, and what is between",
  },
  duplicate_key_id: {
    type: "security",
    cause: "duplicateInformation",
    severities: ["critical"],
    latched: true,
    quietMs: 10 * minute,
    text: "two contents came under one QKD-key ID: neither is used",
    action: "look at the module and its node: an ID belongs to one key for ever",
  },
  stock_low: {
    type: "quality_of_service",
    cause: "thresholdCrossed",
    severities: ["minor"],
    raiseAfterMs: minute,
    text: "there is little key to allocate on this link",
    action: "look at the rate of its modules and at who uses the keys",
  },
  relay_fails: {
    type: "quality_of_service",
    cause: "performanceDegraded",
    severities: ["major"],
    raiseAfterMs: 30_000,
    text: "keys of this link are not relayed any more, and little is left",
    action:
      "look at the key manager that the alarm names: its links, their stock, its relay.transit; qkd-km status tells more",
  },
  node_silent: {
    type: "communications",
    cause: "communicationsSubsystemFailure",
    severities: ["minor"],
    raiseAfterMs: minute,
    text: "a node that told how its module is tells nothing any more: how the link is is not known",
    action:
      "look at the node and the network to it; a node that no longer does it is forgotten after a day",
  },
  store_full: {
    type: "processing_error",
    cause: "storageCapacityProblem",
    severities: ["critical", "warning"],
    text: "the store is full, or nearly: when it is full no key is taken",
    action: storeFullAction,
  },
  restored_disk: {
    type: "security",
    cause: "informationOutOfSequence",
    severities: ["critical"],
    latched: true,
    quietMs: minute,
    text: "the disk of a key manager is older than it was: what is used at either end is used",
    action: "was a backup or a snapshot put back? never at both ends; see the restore instructions",
  },
  peer_twice: {
    type: "security",
    cause: "duplicateInformation",
    severities: ["critical"],
    latched: true,
    quietMs: minute,
    text: "two processes are the other key manager: a copy of its machine or of its store runs beside it",
    action:
      "stop both and look which has the newer store; start that one, and give the other an ID and a store of its own",
  },
  store_stalled: {
    type: "equipment",
    cause: "inputOutputDeviceError",
    severities: ["critical"],
    text: "the disk of the store does not answer: no key is taken, and none is given to applications",
    action:
      "look at the disk, or the server that has it; keys wait in the modules, and go on with it",
  },
  store_damaged: {
    type: "equipment",
    cause: "corruptData",
    severities: ["major"],
    latched: true,
    quietMs: minute,
    text: "a part of the store was damaged: its keys are lost",
    action: "look at the disk; qkd-km store check tells what is damaged",
  },
  master_key: {
    type: "processing_error",
    cause: "configurationOrCustomizationError",
    severities: ["major", "warning"],
    // A re-key has two wrapped keys for a moment, and a token may be busy when it is looked at: twice is no chance.
    raiseAfterMs: minute,
    text: "the next start could not open the store, or a wrapped key is left of a re-key",
    action:
      "bring back what the alarm names before the key manager stops, and keep both wrapped keys; qkd-km doctor tells more",
  },
  plain_link: {
    type: "security",
    cause: "breachOfConfidentiality",
    severities: ["major"],
    text: "keys are taken over Kq-1 without TLS",
    action: "configure ca, cert and key in [kq1]; plain is for a bench",
  },
  policy_differs: {
    type: "processing_error",
    cause: "configurationOrCustomizationError",
    severities: ["warning"],
    raiseAfterMs: 10_000,
    text: "the two key managers have other tables of which applications may share keys",
    action: "compare [sae.NAME] of both configurations; SIGHUP has a key manager read them",
  },
  classical_link: {
    type: "security",
    cause: "breachOfConfidentiality",
    severities: ["warning"],
    text: "the key exchange of the link to the other key manager is not post-quantum",
    action: "update the other key manager: both ends have X25519MLKEM768 then",
  },
  ...stateKind("keys go on"),
  records_lost: {
    type: "processing_error",
    cause: "queueSizeExceeded",
    severities: ["major"],
    quietMs: 10 * minute,
    text: "records of the life of keys were gone before the manager was told them",
    action: "the gap shows in their numbers; raise records.limit_mb, look at disk and broker",
  },
  ...machineKinds("key manager", "qkd-km"),
  ...managerKinds("key manager", "km.id"),
} as const satisfies Readonly<Record<string, AlarmKind>>;

export type KmAlarmName = keyof typeof catalogue;

export const alarmNames = Object.keys(catalogue) as readonly KmAlarmName[];

export function isAlarmName(name: string): name is KmAlarmName {
  return Object.hasOwn(catalogue, name);
}

/** The table's entry with its optional members. */
export function kindOf(name: string): AlarmKind {
  const kind: AlarmKind | undefined = isAlarmName(name) ? catalogue[name] : undefined;
  if (kind === undefined) throw new Error(`no alarm ${name} in the catalogue`);
  return kind;
}
