/**
 * Every alarm that the node can raise, in one table. What raises it is in the rules; how it is told,
 * how long it is held off and whether it is latched stands here. `README.md` beside this file is the
 * same table for people; a test compares the two.
 *
 * Probable causes and event types are those of ITU-T X.733 §8.1.1, §8.1.2.1 and, for security
 * alarms, of X.736.
 */
import type { Severity } from "./severity.ts";

export type EventType =
  | "communications"
  | "quality_of_service"
  | "processing_error"
  | "equipment"
  | "environmental"
  | "security";

export interface AlarmKind {
  readonly type: EventType;
  /** X.733 or X.736 probable cause. */
  readonly cause: string;
  /** Severities that it may have, worst first. */
  readonly severities: readonly [Severity, ...Severity[]];
  /** Stays until it was acknowledged, also when what raised it is over. */
  readonly latched?: true;
  /**
   * Told by somebody rather than measured: nothing will say that it is over, unless whoever told it
   * does. Acknowledging it clears it.
   */
  readonly told?: true;
  /** The condition must last this long before the alarm is raised, ms; default 0. */
  readonly raiseAfterMs?: number;
  /** The condition must be gone this long before the alarm is cleared, ms; default 30 s. */
  readonly clearAfterMs?: number;
  /** For what merely occurs: over when it did not occur again for this long, ms. */
  readonly quietMs?: number;
  /** What is the matter, for a person; one line. */
  readonly text: string;
  /** What to do about it. */
  readonly action: string;
}

const minute = 60_000;

export const catalogue = {
  qber_high: {
    type: "quality_of_service",
    cause: "thresholdCrossed",
    severities: ["critical", "warning"],
    text: "the quantum bit error ratio is above its limit; at critical its keys are withheld",
    action: "treat the fibre as tapped until shown otherwise: inspect it, then realign the modules",
  },
  qber_drift: {
    type: "quality_of_service",
    cause: "performanceDegraded",
    severities: ["warning"],
    raiseAfterMs: 10_000,
    clearAfterMs: 10 * minute,
    text: "the quantum bit error ratio rises against its own average",
    action: "plan maintenance: alignment, detector, temperature of the fibre",
  },
  detector_drift: {
    type: "equipment",
    cause: "performanceDegraded",
    severities: ["warning"],
    raiseAfterMs: 10_000,
    clearAfterMs: 10 * minute,
    text: "a detector counts less, or more in the dark, than its own average",
    action: "plan the detector's replacement before the key rate falls; check its cooling",
  },
  key_rate_low: {
    type: "quality_of_service",
    cause: "performanceDegraded",
    severities: ["minor"],
    raiseAfterMs: 15_000,
    text: "the secret key rate is below its threshold, or below half of its own average",
    action: "look at QBER, channel loss and detectors; check that no lower rate was commanded",
  },
  no_key: {
    type: "quality_of_service",
    cause: "underlyingResourceUnavailable",
    severities: ["major"],
    text: "no key has come for many times the expected interval",
    action: "check that the module distils: its state, both optical links, the matching module",
  },
  optical_link_down: {
    type: "communications",
    cause: "lossOfSignal",
    severities: ["critical", "major", "minor", "warning"],
    told: true,
    raiseAfterMs: 2_000,
    clearAfterMs: 5_000,
    text: "the module has lost the quantum channel",
    action: "check the fibre, its connectors and the matching module",
  },
  module_fault: {
    type: "equipment",
    cause: "equipmentMalfunction",
    severities: ["critical", "major", "minor", "warning"],
    told: true,
    text: "the module reports a fault of its own",
    action: "run its self-test; see the module's manual for the code in the alarm's object",
  },
  module_silent: {
    type: "communications",
    cause: "communicationsSubsystemFailure",
    severities: ["major"],
    raiseAfterMs: 5_000,
    clearAfterMs: 5_000,
    text: "the module does not answer",
    action: "check its power and the cable between module and node; keys wait in the module",
  },
  module_identity: {
    type: "security",
    cause: "unexpectedInformation",
    severities: ["critical"],
    latched: true,
    text: "another module answers than the one expected; no key is taken from it",
    action: "find out who exchanged it; if it was meant: qkd-node accept-module",
  },
  telemetry_stale: {
    type: "quality_of_service",
    cause: "informationMissing",
    severities: ["warning"],
    clearAfterMs: 5_000,
    text: "the module answers but sends no telemetry",
    action: "QBER and key rate are unknown: check the module's telemetry interval and firmware",
  },
  buffer_filling: {
    type: "processing_error",
    cause: "resourceAtOrNearingCapacity",
    severities: ["major", "warning"],
    raiseAfterMs: 5_000,
    clearAfterMs: 10_000,
    text: "the module's key buffer fills up",
    action: "find out why keys do not leave: KM, quarantine, withheld blocks",
  },
  buffer_overflow: {
    type: "processing_error",
    cause: "queueSizeExceeded",
    severities: ["major"],
    quietMs: minute,
    text: "the module's key buffer was full and blocks were not stored",
    action: "find out why keys do not leave; the lost blocks are at neither KM",
  },
  km_unreachable: {
    type: "communications",
    cause: "communicationsSubsystemFailure",
    severities: ["major", "minor"],
    raiseAfterMs: 10_000,
    clearAfterMs: 5_000,
    text: "a KM cannot be reached; minor while the module has another",
    action: "check the KM, the network and both certificates; keys wait in the module",
  },
  km_refusing: {
    type: "processing_error",
    cause: "applicationSubsystemFailure",
    severities: ["major"],
    raiseAfterMs: 5_000,
    quietMs: minute,
    text: "the KM answers but takes no keys for now",
    action: "look at the KM: storage, load; keys wait in the module",
  },
  km_silent: {
    type: "communications",
    cause: "communicationsProtocolError",
    severities: ["major"],
    raiseAfterMs: 5_000,
    clearAfterMs: 5_000,
    text: "connections to the KM are made, but the KM's own word about keys does not come back",
    action: "see the detail: a proxy or gateway answers, or the KM hangs; keys wait in the module",
  },
  duplicate_key_id: {
    type: "security",
    cause: "duplicateInformation",
    severities: ["critical"],
    latched: true,
    quietMs: minute,
    text: "the KM holds another key under the ID of this one",
    action: "stop using both keys; find out which module repeats its references",
  },
  reference_reused: {
    type: "security",
    cause: "duplicateInformation",
    severities: ["critical"],
    latched: true,
    told: true,
    text: "another key has the name of one that was supplied; it is kept, and not supplied",
    action: "look at the stack's or module's clock and numbering, then discard it at both ends",
  },
  key_withheld: {
    type: "quality_of_service",
    cause: "thresholdCrossed",
    severities: ["warning"],
    quietMs: minute,
    text: "blocks above the QBER limit, or that an operator named, were withheld from the KM",
    action: "see qber_high; the blocks stay in the module until an operator decides",
  },
  qber_missing: {
    type: "quality_of_service",
    cause: "informationMissing",
    severities: ["warning"],
    quietMs: minute,
    text: "blocks came without a QBER; where qber_required holds they were withheld",
    action: "find out why the module tells none; decide about what is withheld, at both ends alike",
  },
  keys_doubtful: {
    type: "processing_error",
    cause: "corruptData",
    severities: ["major"],
    latched: true,
    quietMs: minute,
    text: "blocks are withheld since the ledger was repaired: their keys may have left before",
    action: "decide at both ends alike: release or discard --all --reason ledger_repaired",
  },
  key_waits_for_km: {
    type: "processing_error",
    cause: "configurationOrCustomizationError",
    severities: ["major"],
    quietMs: minute,
    text: "keys may be with a KM that is not configured, or is another than before: they wait",
    action: "configure that KM again, or say accept-km (it is the same) or free-km (it has none)",
  },
  block_replayed: {
    type: "security",
    cause: "duplicateInformation",
    severities: ["major"],
    latched: true,
    quietMs: minute,
    text: "the module offers references again that it had let go of; they are withheld",
    action:
      "find out whether the module was set back; its keys have IDs that were used: discard them",
  },
  pair_changed: {
    type: "security",
    cause: "unexpectedInformation",
    severities: ["critical"],
    latched: true,
    quietMs: minute,
    text: "blocks belong to another pair of modules than the one of today; their IDs stay",
    action: "find out which module was replaced, or paired anew; see matching_module_id",
  },
  module_overload: {
    type: "equipment",
    cause: "equipmentMalfunction",
    severities: ["critical"],
    latched: true,
    told: true,
    text: "the module has more blocks on record than the node can bear; it is not served any more",
    action: "decide about what is kept back, or repair the module; then restart the node",
  },
  key_quarantined: {
    type: "processing_error",
    cause: "corruptData",
    severities: ["major"],
    latched: true,
    quietMs: minute,
    text: "a key was refused for good, its answer broke off, or a block cannot be read undamaged",
    action: "see the event for the reason, then release or discard what is in quarantine",
  },
  broker_unreachable: {
    type: "communications",
    cause: "communicationsSubsystemFailure",
    severities: ["minor"],
    raiseAfterMs: 10_000,
    clearAfterMs: 5_000,
    text: "the manager's broker could not be reached",
    action: "check broker, network and credentials; alarms and events were kept",
  },
  broker_takeover: {
    type: "security",
    cause: "duplicateInformation",
    severities: ["major"],
    latched: true,
    quietMs: 10 * minute,
    text: "another client used this node's client identifier at the broker",
    action: "find the second node with this node.id, or whoever has its credentials",
  },
  events_lost: {
    type: "processing_error",
    cause: "queueSizeExceeded",
    severities: ["major"],
    latched: true,
    quietMs: minute,
    text: "events were given up because the outbox was full or its disk failed",
    action: "the gap shows in the sequence numbers; the node's own log may have what is missing",
  },
  certificate_expiring: {
    type: "security",
    cause: "keyExpired",
    severities: ["major", "warning"],
    text: "a certificate expires soon",
    action: "renew it before the date in the alarm; major means within seven days",
  },
  certificate_invalid: {
    type: "security",
    cause: "keyExpired",
    severities: ["critical"],
    text: "a certificate has expired, is not valid yet, or cannot be read",
    action: "replace it; also check the node's clock",
  },
  crl_expiring: {
    type: "security",
    cause: "keyExpired",
    severities: ["warning"],
    text: "a revocation list runs out soon",
    action: "copy the CA's newest list into its place; qkd-node certs shows which, and until when",
  },
  crl_invalid: {
    type: "security",
    cause: "keyExpired",
    severities: ["critical", "major"],
    text: "a revocation list has run out, is missing, or cannot be used",
    action: "copy the CA's newest list into its place; one that has run out is enforced meanwhile",
  },
  clock_implausible: {
    type: "processing_error",
    cause: "timingProblem",
    severities: ["major"],
    quietMs: 10 * minute,
    text: "the node's clock cannot be right, or jumped",
    action: "check NTP and the battery of the clock; signed commands are refused meanwhile",
  },
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
    action: "treat the node and its module as compromised until inspected, then clear_tamper",
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
  command_refused: {
    type: "security",
    cause: "unauthorizedAccessAttempt",
    severities: ["warning"],
    quietMs: 10 * minute,
    text: "commands came that no known key has signed, or that their key may not give",
    action: "see the events; find out who publishes to this node's command topic",
  },
} as const satisfies Record<string, AlarmKind>;

export type AlarmName = keyof typeof catalogue;

export const alarmNames = Object.keys(catalogue) as readonly AlarmName[];

/** The table's entry with its optional members. */
export function kindOf(name: AlarmName): AlarmKind {
  return catalogue[name];
}

export function isAlarmName(name: string): name is AlarmName {
  return Object.hasOwn(catalogue, name);
}

/** Stable identity of an alarm, and a level of its topic: `qber_high.alice`. */
export function alarmId(name: AlarmName, object: string): string {
  return `${name}.${object}`;
}
