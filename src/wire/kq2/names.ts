/**
 * Every name, code and limit of Kq-2, by which a node tells its KM how modules and links are (Y.3803 §8.2.5,
 * Q.4160 Table 1). No text of it is public: this is the project's profile, written down in README.md.
 */

/** Application protocol in the TLS handshake (RFC 7301): a connection of its own, beside Kq-1's. */
export const alpn = "qkd-kq2/1";

/** CommandCode, in the header of Annex A of Kq-1. */
export const command = { status: 0x0201, statusResponse: 0x0202 } as const;

/** JSON names. Those of modules are the ones of Kq-1, Table 1. */
export const member = {
  nodeId: "node_ID",
  moduleId: "qkd_module_ID",
  matchingModuleId: "matching_qkd_module_ID",
  /** RFC 3339, UTC */
  at: "timestamp",
  module: "module_status",
  link: "link_status",
  since: "since",
  reason: "reason",
  figures: "figures",
  alarms: "alarms",
  leftOut: "alarms_left_out",
  alarmId: "alarm_ID",
  name: "name",
  object: "object",
  severity: "severity",
  active: "active",
  acknowledged: "acknowledged",
  raisedAt: "raised_at",
  changedAt: "changed_at",
  value: "value",
  threshold: "threshold",
  detail: "detail",
  text: "text",
  response: "response",
} as const;

/** States of ETSI GS QKD 015, as the manager is told them. */
export const moduleStates = ["OPERATING", "DOWN", "FAILURE", "OUT"] as const;
export const linkStates = ["ACTIVE", "PASSIVE", "OFF"] as const;
/** ITU-T X.733 §8.1.2.3, the most severe first. What is cleared is not in the list any more. */
export const severities = ["critical", "major", "minor", "warning", "indeterminate"] as const;

/** What a KM answers; a node takes any other word for `busy`. */
export const responses = [
  "success",
  "unknown_module",
  "unauthorized",
  "invalid_message",
  "busy",
] as const;

export const limits = {
  /** Characters of IDs and names. */
  name: 128,
  /** Characters of texts for people. */
  text: 256,
  /** Alarms of one module in a message. */
  alarms: 256,
  /** Values of a figure that has one for each detector. */
  list: 64,
  /** Status messages of a connection that have no response yet, one of each module among them. */
  unanswered: 16,
} as const;

/** ms */
export const times = {
  /** Between two Status messages of a module. */
  least: 1_000,
  /** A module of which nothing changed but its figures is told of so often. */
  every: 5_000,
  /** A response comes within this time. */
  answer: 10_000,
  /** Before a module that was refused is told of again; before one that the KM was too busy for is. */
  refused: 60_000,
  busy: 10_000,
  /** So long after its last Status a module's state is unknown to the KM, and a silent connection is ended. */
  stale: 30_000,
  /** A message that has begun is complete. */
  message: 10_000,
} as const;
