/** What the page shows, as it is sent to it. Pure; JSON, times in ms since 1970 UTC. */
import type { AlarmRecord } from "../../ops/alarms/alarm.ts";
import type { AlarmKind } from "../../ops/alarms/alarm-kind.ts";
import { rank } from "../../ops/alarms/severity.ts";
import { catalogue, type KmAlarmName } from "../alarms/catalogue.ts";
import type { KmView } from "../history/view.ts";
import type { KmStatus, LinkStatus } from "../model/status.ts";

function linkSnapshot(km: KmView, status: KmStatus, link: LinkStatus) {
  const facts = km.links.find(({ name }) => name === link.name);
  const modules = status.modules
    .filter((module) => module.link === link.name)
    .map((module) => ({ ...module, rates: km.recorder.moduleRates(module.name) }));
  return {
    ...link,
    modules,
    condition: km.recorder.linkVerdict(status, link),
    unit_bits: facts?.unit_bits ?? 0,
    address: facts?.address,
    relay: status.relay?.pairs.find((pair) => pair.link === link.name),
    rates: km.recorder.rates(link.name),
  };
}

function shownAlarm(record: AlarmRecord) {
  const kind: AlarmKind = { ...catalogue[record.name as KmAlarmName] };
  const { text, action, latched = false } = kind;
  const { id: alarm, raisedAt, acknowledgedBy, ...rest } = record;
  return {
    ...rest,
    alarm,
    latched,
    text,
    action,
    raised: new Date(raisedAt).toISOString(),
    ...(acknowledgedBy !== undefined && { acknowledged_by: acknowledgedBy }),
  };
}

/** Everything but the events. @param now ms since 1970 UTC */
export function snapshot(km: KmView, now: number) {
  const status = km.status();
  const { store, nodes_connected, refused, applications, controllers, node_alarms } = status;
  const alarms = km
    .alarms()
    .filter(({ severity }) => severity !== "cleared")
    .sort((a, b) => rank(b.severity) - rank(a.severity) || b.raisedAt - a.raisedAt);
  return {
    t: now,
    km: { id: km.id, version: km.version, started: km.started, nodes_connected },
    condition: km.recorder.verdict(status),
    store,
    refused,
    links: status.links.map((link) => linkSnapshot(km, status, link)),
    applications,
    controllers,
    passed: status.relay?.passed,
    alarms: alarms.map(shownAlarm),
    node_alarms,
  };
}

export type Snapshot = ReturnType<typeof snapshot>;
