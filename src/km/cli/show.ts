/** A key manager's state for people, in 80 columns. Pure. */

import { facts, table, wrap } from "../../host/terminal/table.ts";
import { tidy } from "../../host/terminal/terminal.ts";
import { bytes, duration, percent, rate, whole } from "../../host/terminal/units.ts";
import type { ShownAlarm } from "../../ops/alarms/program-alarms.ts";
import type {
  KmStatus,
  LinkStatus,
  MasterKeyStatus,
  ModuleStatus,
  NodeAlarmStatus,
} from "../model/status.ts";
import { controllerLines } from "./show-controllers.ts";
import { relayLines } from "./show-relays.ts";

const width = 80;

/** Bits of key as bytes: what a person compares with a disk or a rate. */
function key(bits: number): string {
  return bytes(bits / 8);
}

function text(lines: readonly string[]): string {
  return `${lines.join("\n")}\n`;
}

/** One verdict first: an older key manager does not tell it. */
function headline({ verdict }: KmStatus): string {
  return verdict === undefined ? "its verdict is not told" : verdict.text;
}

function whatToDo({ verdict }: KmStatus): string[] {
  if (verdict === undefined || verdict.level === "good" || verdict.action === "") return [];
  return wrap(`what to do: ${verdict.action}`, width);
}

export function statusText(status: KmStatus): string {
  const { km_id, version, uptime_s, store, nodes_connected, links, modules } = status;
  return text([
    `${km_id}: ${headline(status)}`,
    ...whatToDo(status),
    "",
    ...facts(
      [
        ["up for", `${duration(uptime_s)}, version ${version}`],
        ["nodes", `${whole(nodes_connected)} connected over TCP`],
        ["waiting", `${whole(store.buffered_keys)} QKD-keys, ${key(store.buffered_bits)}`],
        ["stock", key(store.stock_bits)],
        ...leftOverLines(store),
        ["on disk", `${bytes(store.disk_bytes)} of ${bytes(store.limit_bytes)}`],
        ["alarms", alarmsInShort(status)],
        ["master key", masterKeyText(store.master_key)],
      ],
      width,
    ),
    "",
    ...linkLines(links),
    ...relayLines(status),
    ...controllerLines(status),
    "",
    ...moduleLines(modules),
    ...toldLines(modules),
  ]);
}

/** What no configured link or module has. A key manager that still runs older software does not say. */
function leftOverLines({
  left_over_keys = 0,
  left_over_stock_bits = 0,
}: KmStatus["store"]): (readonly [string, string])[] {
  if (left_over_keys + left_over_stock_bits === 0) return [];
  const what = [
    ...(left_over_keys > 0 ? [`${whole(left_over_keys)} QKD-keys of modules`] : []),
    ...(left_over_stock_bits > 0 ? [`${key(left_over_stock_bits)} in extents of links`] : []),
  ];
  return [["left over", `${what.join(", ")} that are not in the configuration`]];
}

function alarmsInShort({ alarms, node_alarms }: KmStatus): string {
  if (alarms.length + node_alarms.length === 0) return "none";
  const own = `${alarms.length} of its own`;
  return `${own}, ${node_alarms.length} of nodes (see qkd-km alarms)`;
}

function masterKeyText({ from, resealing_bytes, next_start = {} }: MasterKeyStatus): string {
  const places = {
    file: "from master_key_file",
    next_file: "from master_key_next_file: put it in place of master_key_file",
    hsm: "unwrapped by the token",
  };
  const { fails, left_over } = next_start;
  const parts = [
    places[from],
    ...(resealing_bytes === undefined
      ? []
      : [`${bytes(resealing_bytes)} to be sealed anew for it`]),
    ...(fails === undefined ? [] : [`the next start would fail: ${fails}`]),
    ...(left_over === undefined ? [] : [`${left_over} is left of a re-key`]),
  ];
  return parts.join("; ");
}

function linkLines(links: readonly LinkStatus[]): string[] {
  const columns = [
    { title: "LINK" },
    { title: "TO" },
    { title: "STATE" },
    { title: "WAITING", right: true },
    { title: "COMPARED", right: true },
    { title: "DIFFERING", right: true },
    { title: "OWN STOCK", right: true },
    { title: "THEIRS", right: true },
  ];
  const rows = links.map((link) => [
    link.name,
    link.peer,
    link.session,
    whole(link.waiting_keys),
    whole(link.compared_keys),
    whole(link.differing_keys),
    key(link.stock_bits),
    key(link.peer_stock_bits),
  ]);
  const alone = links.filter(({ takes }) => takes === "local").map(({ name }) => name);
  const told = `without a witness its applications fetch keys (takes = "local"): ${alone.join(", ")}`;
  return [...table(columns, rows, width), ...(alone.length === 0 ? [] : wrap(told, width))];
}

function moduleLines(modules: readonly ModuleStatus[]): string[] {
  const columns = [
    { title: "MODULE" },
    { title: "ID" },
    { title: "LINK" },
    { title: "KEYS", right: true },
    { title: "RECEIVED", right: true },
    { title: "REPEATS", right: true },
    { title: "CONFLICTS", right: true },
  ];
  const rows = modules.map((module) => [
    module.name,
    module.module_id,
    module.link,
    whole(module.received_keys),
    key(module.received_bits),
    whole(module.repeats),
    whole(module.conflicts),
  ]);
  return table(columns, rows, width);
}

/** What nodes told of modules last; nothing where no node tells anything. */
function toldLines(modules: readonly ModuleStatus[]): string[] {
  if (modules.every(({ told }) => told === undefined)) return [];
  const columns = [
    { title: "MODULE" },
    { title: "NODE" },
    { title: "STATE" },
    { title: "LINK" },
    { title: "QBER", right: true },
    { title: "KEY RATE", right: true },
    { title: "ALARMS", right: true },
    { title: "TOLD" },
  ];
  const rows = modules.map(({ name, told }) => {
    if (told === undefined) return [name, "–", "UNKNOWN", "UNKNOWN", "–", "–", "–", "never"];
    const { node, current, age_s, figures, alarms, alarms_left_out } = told;
    const [state, link] = current ? [told.module, told.link] : ["UNKNOWN", "UNKNOWN"];
    const { qber, secret_key_rate } = current ? figures : {};
    const number = (value: unknown) => (typeof value === "number" ? value : undefined);
    const count = whole(alarms.length + alarms_left_out);
    const ago = `${duration(age_s)} ago`;
    const rates = [percent(number(qber)), rate(number(secret_key_rate))];
    return [name, node, state, link, ...rates, count, ago];
  });
  return ["", ...table(columns, rows, width)];
}

/** What applications asked for. */
export function applicationTable(pairs: KmStatus["applications"]): string {
  if (pairs === undefined) return "no door for applications is configured: see [etsi014]\n";
  if (pairs.length === 0) return "no application has asked yet\n";
  const columns = [
    { title: "MASTER" },
    { title: "SLAVE" },
    { title: "REQUESTS", right: true },
    { title: "KEYS", right: true },
    { title: "REFUSED", right: true },
  ];
  const rows = pairs.map(({ master, slave, requests, keys, refused }) => [
    master,
    slave,
    whole(requests),
    whole(keys),
    whole(refused),
  ]);
  return text(table(columns, rows, width));
}

/** What is raised, what it means, what to do; then what nodes told of theirs. */
export function alarmText({ alarms, node_alarms }: Pick<KmStatus, "alarms" | "node_alarms">) {
  if (alarms.length + node_alarms.length === 0) return "no alarms\n";
  return text([...ownAlarmLines(alarms), ...node_alarms.flatMap(nodeAlarmLines)]);
}

/** For a program: one list, in which those of nodes have a `node`. */
export function alarmList({ alarms, node_alarms }: Pick<KmStatus, "alarms" | "node_alarms">) {
  return [...alarms, ...node_alarms];
}

function nodeAlarmLines(one: NodeAlarmStatus): string[] {
  const { alarm, severity, active, since, node, current, age_s, value, threshold } = one;
  const over = active ? "" : " (over; waits to be acknowledged)";
  const of = value === undefined ? "" : `value ${value}`;
  const limit = threshold === undefined ? "" : `, threshold ${threshold}`;
  const says = [one.text ?? "", one.detail ?? "", `${of}${limit}`].filter((part) => part !== "");
  const old = current ? "" : `, as it was told ${duration(age_s)} ago`;
  return [
    `${severity.padEnd(8)} ${tidy(alarm)}${over}, since ${since}`,
    ...indented(`an alarm of ${tidy(node)}${old}: ${says.map(tidy).join("; ")}`),
  ];
}

function indented(text: string): string[] {
  return wrap(text, width - 9).map((line) => `         ${line}`);
}

function ownAlarmLines(alarms: readonly ShownAlarm[]): string[] {
  return alarms.flatMap(({ alarm, severity, active, since, detail, text: says, action }) => [
    `${severity.padEnd(8)} ${alarm}${active ? "" : " (over; waits to be acknowledged)"}, since ${since}`,
    ...indented(detail === undefined ? says : `${says}: ${detail}`),
    ...indented(`what to do: ${action}`),
  ]);
}

/** Each link, and how the modules under it are. */
export function linkTable({ links, modules }: Pick<KmStatus, "links" | "modules">): string {
  return text([...linkLines(links), ...toldLines(modules)]);
}

export function moduleTable(modules: readonly ModuleStatus[]): string {
  return text(moduleLines(modules));
}
