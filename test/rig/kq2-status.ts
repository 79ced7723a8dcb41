/** A module as a node would tell it. */
import type { Status, StatusAlarm } from "../../src/wire/kq2/status.ts";

export function statusOfA(changes: Partial<Status> = {}): Status {
  return {
    nodeId: "node-a",
    moduleId: "QKD-A-0001",
    matchingModuleId: "QKD-B-0001",
    at: Date.parse("2026-01-31T12:00:00Z"),
    module: "OPERATING",
    link: "ACTIVE",
    since: Date.parse("2026-01-31T11:00:00Z"),
    reason: "",
    figures: { qber: 0.03, secret_key_rate: 1_000_000 },
    alarms: [],
    leftOut: 0,
    ...changes,
  };
}

export function alarmOf(id: string, changes: Partial<StatusAlarm> = {}): StatusAlarm {
  return {
    id,
    name: id.split(".", 1)[0] ?? id,
    object: id.slice(id.indexOf(".") + 1),
    severity: "major",
    active: true,
    acknowledged: false,
    raisedAt: Date.parse("2026-01-31T11:30:00Z"),
    changedAt: Date.parse("2026-01-31T11:30:00Z"),
    ...changes,
  };
}
