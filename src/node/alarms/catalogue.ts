/**
 * Every alarm that the node can raise, in one table. What raises it is in the rules; how it is told,
 * how long it is held off and whether it is latched stands here. `README.md` beside this file is the
 * same table for people; a test compares the two.
 *
 * Probable causes and event types are those of ITU-T X.733 §8.1.1, §8.1.2.1 and, for security
 * alarms, of X.736.
 */
import type { AlarmKind } from "../../ops/alarms/alarm-kind.ts";
import { nodeCatalogue } from "./node-catalogue.ts";

export type { AlarmKind } from "../../ops/alarms/alarm-kind.ts";
export { alarmId } from "../../ops/alarms/book.ts";

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
  no_light: {
    type: "communications",
    cause: "lossOfSignal",
    severities: ["major"],
    raiseAfterMs: 5_000,
    clearAfterMs: 5_000,
    text: "no light comes from the other end: the figures are those of detectors in the dark",
    action: "check the fibre, its connectors and the matching module",
  },
  module_fault: {
    type: "equipment",
    cause: "equipmentMalfunction",
    severities: ["critical", "major", "minor", "warning"],
    told: true,
    text: "the module reports a fault of its own",
    action:
      "see the detail; for its code the manual of the module, or of its driver; self-test it if it can",
  },
  module_silent: {
    type: "communications",
    cause: "communicationsSubsystemFailure",
    severities: ["major", "minor"],
    raiseAfterMs: 5_000,
    clearAfterMs: 5_000,
    text: "the module does not answer",
    action:
      "end another program that the detail says has its device; else check its power and cable; keys wait",
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
    severities: ["major", "minor"],
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
    action: "decide at both ends alike, with qkd-node release or discard: see qkd-node kept",
  },
  key_waits_for_km: {
    type: "processing_error",
    cause: "configurationOrCustomizationError",
    severities: ["major"],
    quietMs: minute,
    text: "keys may be with a KM that is not configured, or is another than before: they wait",
    action: "configure it again, or qkd-node accept-km (it is the same) or free-km (it has none)",
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
  block_lost: {
    type: "equipment",
    cause: "equipmentMalfunction",
    severities: ["major"],
    latched: true,
    quietMs: minute,
    text: "the module let go of a block that it was not told to: what was not supplied of it is gone",
    action:
      "find out whether the module was set back or its memory fails; both ends lack these keys",
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
  ...nodeCatalogue,
} as const satisfies Record<string, AlarmKind>;

export type AlarmName = keyof typeof catalogue;

export const alarmNames = Object.keys(catalogue) as readonly AlarmName[];

/** The table's entry with its optional members. */
export function kindOf(name: string): AlarmKind {
  const kind: AlarmKind | undefined = isAlarmName(name) ? catalogue[name] : undefined;
  if (kind === undefined) throw new Error(`no alarm ${name} in the catalogue`);
  return kind;
}

export function isAlarmName(name: string): name is AlarmName {
  return Object.hasOwn(catalogue, name);
}
