/** A key manager's state for people, in 80 columns. Pure. */
import { facts, table, wrap } from "../../host/terminal/table.ts";
import { bytes, duration, whole } from "../../host/terminal/units.ts";
import type {
  KmAlarmStatus,
  KmStatus,
  LinkStatus,
  MasterKeyStatus,
  ModuleStatus,
} from "../model/status.ts";

const width = 80;

/** Bits of key as bytes: what a person compares with a disk or a rate. */
function key(bits: number): string {
  return bytes(bits / 8);
}

function text(lines: readonly string[]): string {
  return `${lines.join("\n")}\n`;
}

/** One verdict first: it is no good news while nothing can be compared. */
export function verdict({ links, store, alarms }: KmStatus): string {
  const worst = alarms.find(({ severity }) => severity === "critical");
  if (worst !== undefined) return `${worst.alarm}: ${worst.text}`;
  if (store.full) return "the store is full: no key is taken";
  const away = links.filter(({ session }) => session !== "ready");
  if (links.length === 0) return "no link is configured: keys wait";
  if (away.length > 0) return `not connected: ${away.map(({ name }) => name).join(", ")}`;
  const differing = links.reduce((sum, link) => sum + link.differing_keys, 0);
  if (differing > 0) return `${whole(differing)} keys differed at the two ends, and are void`;
  const compared = links.reduce((sum, link) => sum + link.compared_keys, 0);
  return compared === 0 ? "connected; no key was compared yet" : "keys are compared and stored";
}

export function statusText(status: KmStatus): string {
  const { km_id, version, uptime_s, store, nodes_connected, links, modules } = status;
  return text([
    `${km_id}: ${verdict(status)}`,
    "",
    ...facts(
      [
        ["up for", `${duration(uptime_s)}, version ${version}`],
        ["nodes", `${whole(nodes_connected)} connected over TCP`],
        ["waiting", `${whole(store.buffered_keys)} QKD-keys, ${key(store.buffered_bits)}`],
        ["stock", key(store.stock_bits)],
        ["on disk", `${bytes(store.disk_bytes)} of ${bytes(store.limit_bytes)}`],
        ["master key", masterKeyText(store.master_key)],
      ],
      width,
    ),
    "",
    ...linkLines(links),
    "",
    ...moduleLines(modules),
  ]);
}

function masterKeyText({ from, resealing_bytes }: MasterKeyStatus): string {
  const places = {
    file: "from master_key_file",
    next_file: "from master_key_next_file: put it in place of master_key_file",
    hsm: "unwrapped by the token",
  };
  if (resealing_bytes === undefined) return places[from];
  return `${places[from]}; ${bytes(resealing_bytes)} to be sealed anew for it`;
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
  return table(columns, rows, width);
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

/** What is raised, what it means, what to do. */
export function alarmText(alarms: readonly KmAlarmStatus[]): string {
  if (alarms.length === 0) return "no alarms\n";
  return text(
    alarms.flatMap(({ alarm, severity, active, since, detail, text: says, action }) => [
      `${severity.padEnd(8)} ${alarm}${active ? "" : " (over; waits to be acknowledged)"}, since ${since}`,
      ...wrap(detail === undefined ? says : `${says}: ${detail}`, width - 9).map(
        (l) => `         ${l}`,
      ),
      ...wrap(`what to do: ${action}`, width - 9).map((line) => `         ${line}`),
    ]),
  );
}

export function linkTable(links: readonly LinkStatus[]): string {
  return text(linkLines(links));
}

export function moduleTable(modules: readonly ModuleStatus[]): string {
  return text(moduleLines(modules));
}
