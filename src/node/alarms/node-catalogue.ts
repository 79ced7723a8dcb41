/** The alarms of the node itself, its files, its manager and its panel: part of `catalogue.ts`. */
import type { AlarmKind } from "../../ops/alarms/alarm-kind.ts";
import { machineKinds } from "../../ops/alarms/machine-alarms.ts";
import { managerKinds } from "../../ops/alarms/manager-alarms.ts";

const minute = 60_000;
const manager = managerKinds("node", "node.id");

export const nodeCatalogue = {
  broker_unreachable: manager.broker_unreachable,
  broker_takeover: manager.broker_takeover,
  events_lost: manager.events_lost,
  ...machineKinds("node", "qkd-node"),
  state_damaged: {
    type: "processing_error",
    cause: "corruptData",
    severities: ["critical"],
    latched: true,
    text: "a file of the node's state cannot be written or was damaged",
    action: "check the disk; while the ledger cannot be written no key is supplied",
  },
  ledger_orphaned: {
    type: "processing_error",
    cause: "configurationOrCustomizationError",
    severities: ["warning"],
    clearAfterMs: 0,
    text: "a ledger belongs to no module of the configuration",
    action:
      "put its module back, or qkd-node ledger adopt OLD NEW if it was renamed, ledger retire OLD if it is gone",
  },
  spool_left: {
    type: "processing_error",
    cause: "configurationOrCustomizationError",
    severities: ["major"],
    clearAfterMs: 0,
    text: "keys wait in a spool that no module of the configuration has",
    action: "put the module and its [module.spool] back until it is empty",
  },
  storage_full: {
    type: "processing_error",
    cause: "storageCapacityProblem",
    severities: ["critical", "major"],
    raiseAfterMs: 5_000,
    text: "the disk with the node's state is nearly full",
    action: "make room; without room for the ledger no key is supplied",
  },
  resources_low: {
    type: "processing_error",
    cause: "resourceAtOrNearingCapacity",
    severities: ["major", "warning"],
    raiseAfterMs: 5_000,
    text: "memory, descriptors or processor time of the node run short",
    action: "see which; a support bundle helps to find out why",
  },
  crash_loop: {
    type: "processing_error",
    cause: "softwareProgramAbnormallyTerminated",
    severities: ["major"],
    latched: true,
    quietMs: 10 * minute,
    text: "the node's software failed again and again, and begins later each time",
    action: "send the log and a support bundle; no key is lost",
  },
  plain_link: {
    type: "security",
    cause: "breachOfConfidentiality",
    severities: ["major", "warning"],
    text: "an unencrypted link is in use; major if it carries keys",
    action: "configure TLS; plain links are for a bench",
  },
  classical_link: {
    type: "security",
    cause: "breachOfConfidentiality",
    severities: ["warning"],
    text: "keys travel under a key exchange that a quantum computer could undo later",
    action: "have the other side offer X25519MLKEM768 (OpenSSL 3.5); require_pq refuses others",
  },
  km_untold: {
    type: "communications",
    cause: "communicationsSubsystemFailure",
    severities: ["minor"],
    raiseAfterMs: minute,
    text: "a KM is not told how its modules and links are: it does not take it, or is away (Kq-2)",
    action:
      "see the detail: the KM's table of modules and certificates, or the network; keys do not wait for it",
  },
  panel_lost: {
    type: "equipment",
    cause: "inputDeviceError",
    severities: ["major"],
    clearAfterMs: 2_000,
    text: "the chassis panel is silent: tampering would not be noticed",
    action: "check the panel's cable and its service",
  },
  tamper: {
    type: "security",
    cause: "intrusionDetection",
    severities: ["critical"],
    latched: true,
    told: true,
    text: "a tamper contact has opened; where it is the chassis's, supply has stopped",
    action:
      "treat the node and its module as compromised until inspected, then qkd-node clear-tamper",
  },
  zeroized: {
    type: "security",
    cause: "outOfService",
    severities: ["critical"],
    latched: true,
    told: true,
    text: "all key in the module was destroyed, by command or by the panel",
    action: "if it was meant, acknowledge; the link must be initialised again",
  },
  command_refused: manager.command_refused,
} as const satisfies Record<string, AlarmKind>;
