/** Parts of what a controller says of a network. */
import type {
  ChangeStatus,
  ControllerStatus,
  LinkEndStatus,
  LinkStatus,
  NodeStatus,
  PairStatus,
  ToldAlarm,
} from "../../src/controller/model/status.ts";

const start = Date.parse("2026-11-28T09:00:00Z");
export const at = (seconds: number) => new Date(start + seconds * 1_000).toISOString();

export function node(km: string, more: Partial<NodeStatus> = {}): NodeStatus {
  return {
    km,
    name: km,
    site: "",
    service: "in_service",
    origin: "configured",
    attached: true,
    since: at(0),
    applications: [`sae-${km}`],
    controllers: [{ node: `node-${km}`, online: true, age_s: 2 }],
    alarms: [],
    ...more,
  };
}

export function end(km: string, more: Partial<LinkEndStatus> = {}): LinkEndStatus {
  return {
    km,
    up: true,
    stock_bits: 13_107_200,
    key_rate: 4_210,
    consumption_rate: 1_200,
    qber: 0.021,
    age_s: 1,
    known: true,
    ...more,
  };
}

export function link(one: string, other: string, more: Partial<LinkStatus> = {}): LinkStatus {
  const [a = "", b = ""] = [one, other].sort();
  return {
    link: `${a}--${b}`,
    a,
    b,
    ends: [end(a), end(b)],
    service: "in_service",
    origin: "configured",
    state: "good",
    reason: "",
    average_stock_bits: 13_000_000,
    average_key_rate: 4_200,
    reserved_rate: 1_024,
    alarms: [],
    ...more,
  };
}

export function pair(route: readonly string[], more: Partial<PairStatus> = {}): PairStatus {
  const [a = "", b = ""] = [route[0] ?? "", route.at(-1) ?? ""].sort();
  return {
    pair: `${a}--${b}`,
    a,
    b,
    route,
    others: [],
    share: 2_048,
    demand: 1_024,
    stock_bits: 262_144,
    relays: 812,
    failed: 0,
    ordered: 0,
    ordered_bits: 0,
    class: "standard",
    since: at(60),
    sessions: 1,
    ...more,
  };
}

export function alarm(name: string, severity: ToldAlarm["severity"], by: ToldAlarm["by"] = "ck") {
  return { name, severity, by, since: at(3_500) };
}

export function network(more: Partial<ControllerStatus>): ControllerStatus {
  return {
    controller: "controller-1",
    version: "0.1.0",
    started: at(0),
    role: "active",
    mode: "distributed",
    verdict: { level: "good", code: "ready", text: "All links supply keys", action: "" },
    nodes: [],
    links: [],
    pairs: [],
    sessions: [],
    open_sessions: 0,
    counted_sessions: { opened: 0, ended: 0, refused: {} },
    changes: [],
    alarms: [],
    ...more,
  };
}

export const change = (
  seconds: number,
  kind: ChangeStatus["kind"],
  object: string,
  text: string,
  after_ms?: number,
): ChangeStatus => ({
  time: at(seconds),
  kind,
  object,
  text,
  ...(after_ms !== undefined && { after_ms }),
});
