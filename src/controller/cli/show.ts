/** A controller's state for people, in 80 columns. Pure. */

import { counted } from "../../base/words.ts";
import { facts, table, wrap } from "../../host/terminal/table.ts";
import { tidy } from "../../host/terminal/terminal.ts";
import { bytes, percent, rate, whole } from "../../host/terminal/units.ts";
import type { ShownAlarm } from "../../ops/alarms/program-alarms.ts";
import type { IssuedStatus } from "../access/issuing.ts";
import type { AccountRecord } from "../core/world.ts";
import type { StatusSummary } from "../local/parts.ts";
import type {
  ChangeStatus,
  ControllerStatus,
  NodeStatus,
  PairStatus,
  SessionStatus,
  ToldAlarm,
} from "../model/status.ts";

const width = 80;

function text(lines: readonly string[]): string {
  return `${lines.join("\n")}\n`;
}

const plain = (word: string) => word.replaceAll("_", " ");
const key = (bits: number) => bytes(bits / 8);
const known = (value: number | undefined, show: (value: number) => string) =>
  value === undefined ? "–" : show(value);

/** By day and second, UTC, as short as it may be. */
function when(time: string): string {
  return time.slice(0, 19).replace("T", " ");
}

export function statusText(status: StatusSummary): string {
  const { controller, version, started, role, mode, verdict, counts, changes } = status;
  const states = (["good", "scarce", "bad", "unknown"] as const).flatMap((state) => {
    const count = counts.links[state] ?? 0;
    return count === 0 ? [] : [[count, state] as const];
  });
  const links = states.reduce((sum, [count]) => sum + count, 0);
  const shown = states.map(([count, state]) => `${count} ${state}`).join(", ");
  const lost = counts.lost === 0 ? "" : `, ${counts.lost} without a route`;
  return text([
    ...wrap(`${controller}: ${verdict.text}`, width),
    ...(verdict.action === "" ? [] : wrap(`what to do: ${verdict.action}`, width)),
    "",
    ...facts(
      [
        ["role", `${role}, ${mode}`],
        ["since", `${when(started)} UTC, version ${version}`],
        ["nodes", `${whole(counts.nodes)}, ${whole(counts.attached)} connected`],
        ["links", links === 0 ? "none is known" : `${whole(links)}: ${shown}`],
        [
          "pairs",
          counts.pairs === 0
            ? "none asks for keys"
            : `${counted(counts.pairs, "asks", "ask")} for keys${lost}`,
        ],
        ["sessions", `${whole(status.open_sessions)} open`],
        ["alarms", counts.alarms === 0 ? "none" : `${counts.alarms} of its own`],
      ],
      width,
    ),
    "",
    ...changeLines(changes),
  ]);
}

function alarmsOf(alarms: readonly ToldAlarm[]): string {
  return alarms.length === 0 ? "" : alarms.map(({ name }) => tidy(name)).join(", ");
}

export function nodeTable({ nodes }: Pick<ControllerStatus, "nodes">): string {
  if (nodes.length === 0) return "no node is configured, and no key manager is connected\n";
  const columns = [
    { title: "KM" },
    { title: "SITE" },
    { title: "STATE" },
    { title: "SERVICE" },
    { title: "SINCE (UTC)" },
    { title: "NODES, ALARMS" },
  ];
  const rows = nodes.map((node: NodeStatus) => {
    const state = node.attached ? "connected" : "away";
    const told = node.controllers.map((one) => `${tidy(one.node)}${one.online ? "" : " (away)"}`);
    const last = [...told, alarmsOf(node.alarms)].filter((part) => part !== "").join("; ");
    return [tidy(node.km), tidy(node.site), state, plain(node.service), when(node.since), last];
  });
  return text(table(columns, rows, width));
}

export function linkTable({ links }: Pick<ControllerStatus, "links">): string {
  if (links.length === 0) return "no link is known\n";
  const columns = [
    { title: "LINK" },
    { title: "STATE" },
    { title: "STOCK", right: true },
    { title: "RATE", right: true },
    { title: "PROMISED", right: true },
    { title: "QBER", right: true },
    { title: "WHY" },
  ];
  const rows = links.map((link) => {
    const qbers = link.ends.flatMap(({ qber }) => (qber === undefined ? [] : [qber]));
    const state = link.service === "in_service" ? link.state : plain(link.service);
    return [
      tidy(link.link),
      state,
      key(link.average_stock_bits),
      rate(link.average_key_rate),
      rate(link.reserved_rate),
      known(qbers.length === 0 ? undefined : Math.max(...qbers), percent),
      [tidy(link.reason), alarmsOf(link.alarms)].filter((part) => part !== "").join("; "),
    ];
  });
  return text(table(columns, rows, width));
}

const routeText = (route: readonly string[]) =>
  route.length === 0 ? "none" : route.map(tidy).join(" > ");

/** Pairs that ask for keys, or all of them. */
export function pairTable({ pairs }: Pick<ControllerStatus, "pairs">): string {
  if (pairs.length === 0) return "no pair of nodes asks for keys\n";
  const columns = [
    { title: "PAIR" },
    { title: "CLASS" },
    { title: "ASKS FOR", right: true },
    { title: "MAY HAVE", right: true },
    { title: "STOCK", right: true },
    { title: "RELAYS", right: true },
    { title: "FAILED", right: true },
    { title: "SESSIONS", right: true },
  ];
  const rows = pairs.map((pair) => [
    tidy(pair.pair),
    tidy(pair.class),
    rate(pair.demand),
    rate(pair.share),
    known(pair.stock_bits, key),
    whole(pair.relays),
    whole(pair.failed),
    whole(pair.sessions),
  ]);
  const ordered = pairs
    .filter(({ ordered_bits: bits }) => bits > 0)
    .map(({ pair, ordered_bits: bits }) => `${tidy(pair)}: ${key(bits)} ordered, not begun`);
  return text([...table(columns, rows, width), ...ordered]);
}

export function routeTable({ pairs }: Pick<ControllerStatus, "pairs">): string {
  if (pairs.length === 0) return "no pair of nodes asks for keys\n";
  const columns = [{ title: "PAIR" }, { title: "SINCE (UTC)" }, { title: "ROUTE" }];
  const rows = pairs.map(({ pair, route, others, since }: PairStatus) => {
    const more = others.map(routeText).join("; or ");
    const shown = more === "" ? routeText(route) : `${routeText(route)}; or ${more}`;
    return [tidy(pair), since === undefined ? "–" : when(since), shown];
  });
  return text(table(columns, rows, width));
}

export function sessionTable(status: Pick<ControllerStatus, "sessions" | "open_sessions">): string {
  const { sessions, open_sessions: open } = status;
  if (sessions.length === 0) return "no session of applications is open\n";
  const columns = [
    { title: "SESSION" },
    { title: "FROM" },
    { title: "TO" },
    { title: "SINCE (UTC)" },
    { title: "STATE" },
    { title: "KEYS" },
  ];
  const rows = sessions.map((one: SessionStatus) => [
    tidy(one.session),
    `${tidy(one.source)} (${tidy(one.source_km)})`,
    `${tidy(one.destination)} (${tidy(one.destination_km)})`,
    when(one.since),
    one.state,
    one.number === undefined ? "any" : `at most ${whole(one.number)}`,
  ]);
  const left = open - sessions.filter(({ state }) => state === "open").length;
  const more = left > 0 ? [`and ${whole(left)} more that are open`] : [];
  return text([...table(columns, rows, width), ...more]);
}

function changeLines(changes: readonly ChangeStatus[]): string[] {
  if (changes.length === 0) return ["nothing has changed yet"];
  const columns = [{ title: "WHEN (UTC)" }, { title: "WHAT" }, { title: "OF" }, { title: "HOW" }];
  const rows = changes.map(({ time, kind, object, text: how, after_ms: after }) => {
    const late = after === undefined ? "" : ` (after ${whole(Math.round(after))} ms)`;
    return [when(time), kind, tidy(object), `${tidy(how)}${late}`];
  });
  return table(columns, rows, width);
}

export function changeTable(changes: readonly ChangeStatus[]): string {
  return text(changeLines(changes));
}

/** What is raised, what it means, what to do. */
export function alarmText(alarms: readonly ShownAlarm[]): string {
  if (alarms.length === 0) return "no alarms\n";
  const indented = (says: string) => wrap(says, width - 9).map((line) => `         ${line}`);
  return text(
    alarms.flatMap(({ alarm, severity, active, since, detail, text: says, action }) => [
      `${severity.padEnd(8)} ${tidy(alarm)}${active ? "" : " (over; waits to be acknowledged)"}, since ${since}`,
      ...indented(detail === undefined ? says : `${says}: ${tidy(detail)}`),
      ...indented(`what to do: ${action}`),
    ]),
  );
}

const accountColumns = [
  ...["from", "seconds", "kind", "object", "keys", "bits", "refused", "made", "consumed"],
  ...["relays", "relayed", "failed", "sessions", "session_s"],
] as const;

/**
 * RFC 4180, with a header; times by RFC 3339 in UTC. Names come from applications' certificates, and this may be printed
 * on a terminal: control characters are shown, and what a spreadsheet would take for a formula has an apostrophe before it.
 * @param isFirst there is no header before a page that is not the first
 */
export function accountsCsv(accounts: readonly AccountRecord[], isFirst = true): string {
  const cell = (value: string | number) => {
    const plain = tidy(`${value}`);
    const isFormula = typeof value === "string" && /^[=+\-@]/.test(plain);
    const shown = `${isFormula ? "'" : ""}${plain}`;
    return /[",]/.test(shown) ? `"${shown.replaceAll('"', '""')}"` : shown;
  };
  const rows = accounts.map(({ from, length, ...rest }) => {
    const all = { from: new Date(from).toISOString(), seconds: length / 1_000, ...rest };
    return accountColumns.map((name) => cell(all[name])).join(",");
  });
  const header = isFirst ? [accountColumns.join(",")] : [];
  return [...header, ...rows, ""].join("\r\n");
}

export function issuedTable(issued: readonly IssuedStatus[]): string {
  if (issued.length === 0) return "no certificate was issued\n";
  const columns = [
    { title: "SERIAL" },
    { title: "FOR" },
    { title: "UNTIL" },
    { title: "STATE" },
    { title: "WHY" },
  ];
  const rows = issued.map(({ serial, kind, id, not_after, state, revoked }) => [
    serial,
    `${kind} ${tidy(id)}`,
    not_after.slice(0, 10),
    state,
    revoked?.reason.replaceAll("_", " ") ?? "",
  ]);
  return text(table(columns, rows, width));
}
