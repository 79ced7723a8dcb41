/** What a run looks like: a live picture on a terminal, plain lines elsewhere. Pure text. */

import { endNames, type Rig, type RigEnd } from "../../test/rig/rig.ts";
import type { ShownApplications } from "./applications.ts";
import { curlLine } from "./endpoints.ts";
import type { ShownKms } from "./kms.ts";
import { comparison, raised } from "./raised.ts";
import {
  asTold,
  type Cell,
  commands,
  fitted,
  type Keys,
  keys,
  type Line,
  type Paint,
  plain,
  rate,
  sparkline,
} from "./text.ts";

const column = 30;

/** The last QBER that a node has told. */
export function qberOf(rig: Rig, { nodeId }: RigEnd): number | undefined {
  return number(rig.view.node(nodeId).figures.qber);
}

function number(figure: number | number[] | undefined): number | undefined {
  return typeof figure === "number" ? figure : undefined;
}

export interface ScreenState extends Keys {
  /** The product's key managers, where it is them. */
  readonly kms?: ShownKms | undefined;
  /** One at each end, where the key managers are the product's. */
  readonly applications?: ShownApplications | undefined;
  readonly source: string;
  readonly seconds: number;
  /** Confirmed key over the last seconds, bit/s, by end. */
  readonly rates: readonly [number, number];
  /** QBER at each second, by end. */
  readonly qbers: readonly (readonly (number | undefined)[])[];
  /** Of the terminal. */
  readonly size?: { readonly rows: number; readonly columns: number };
}

/** Stock of the KM: what applications at this end may ask for, and those at the other. */
function kmStock(end: RigEnd, kms: ShownKms | undefined): string {
  if (kms === undefined) return end.km.store.ids().at(-1)?.slice(0, 23) ?? "–";
  const link = kms.link(end.name);
  if (link === undefined || !kms.isRunning(end.name)) return "not running";
  if (link.session !== "ready") return `${link.waiting_keys} keys wait: no other KM`;
  return `${link.stock_bits} + ${link.peer_stock_bits} bit`;
}

function kmHolds(rig: Rig, end: RigEnd, kms: ShownKms | undefined): string {
  if (kms !== undefined) {
    const link = kms.link(end.name);
    return `${link?.compared_keys ?? 0} compared, ${link?.waiting_keys ?? 0} wait`;
  }
  const keys = rig.keysAt(end);
  if (end.kmAt === undefined)
    return `${keys} ${keys === 1 ? "key" : "keys"}, ${rig.bitsAt(end)} bit`;
  return `yours: ${keys} ${keys === 1 ? "key" : "keys"} confirmed`;
}

/** What the application of this end got with the one of the other. */
function applicationKeys({ name }: RigEnd, { applications }: ScreenState, paint: Paint): Cell {
  if (applications === undefined) return { text: "–", paint: paint.dim };
  const { keys, different, ms, trouble } = applications.of(name);
  if (different > 0) return { text: `${different} of ${keys} DIFFER`, paint: paint.bad };
  if (trouble !== undefined) return { text: trouble.slice(0, column), paint: paint.bad };
  if (ms === undefined) return { text: "none yet", paint: paint.dim };
  return { text: `${keys} equal, ${ms.toFixed(1)} ms`, paint: paint.good };
}

function cellsOf(rig: Rig, end: RigEnd, state: ScreenState, paint: Paint): Cell[] {
  const i = endNames.indexOf(end.name);
  const bitsPerSecond = state.rates[i] as number;
  const { name, nodeId, node } = end;
  const report = rig.view.node(nodeId);
  const counters = rig.view.counters(nodeId);
  const isOnline = node.running && report.status === "online";
  const qber = isOnline ? qberOf(rig, end) : undefined;
  const { module } = rig.pair[name];
  const judged = (text: string, good: boolean): Cell => ({
    text,
    paint: good ? paint.good : paint.bad,
  });
  const simple = (text: string): Cell => ({ text, paint: plain });
  return [
    { text: `${name.toUpperCase()}  ${nodeId}`, paint: paint.bold },
    simple(module.identity.moduleId),
    asTold(report.link, report.link === "ACTIVE", isOnline, paint),
    judged(node.running ? report.status : "stopped", isOnline),
    asTold(report.km, report.km === "UP", isOnline, paint),
    simple(qber === undefined ? "–" : `${(qber * 100).toFixed(2)} %`),
    simple(sparkline(state.qbers[i] ?? [])),
    simple(rate(bitsPerSecond)),
    simple(`${module.heldBits} bit held`),
    simple(`${counters.supplied} / ${counters.confirmed}`),
    {
      text: `${counters.withheld} / ${counters.empty_blocks}`,
      paint: counters.withheld > 0 ? paint.bad : plain,
    },
    simple(kmHolds(rig, end, state.kms)),
    { text: kmStock(end, state.kms), paint: state.kms === undefined ? paint.dim : plain },
    applicationKeys(end, state, paint),
  ];
}

/** Labels of the rows, and which of them may be left out. */
const rows: readonly (readonly [label: string, spare?: number])[] = [
  [""],
  ["module", 5],
  ["link"],
  ["node"],
  ["KM link"],
  ["QBER"],
  ["QBER, lately", 2],
  ["key rate"],
  ["in the module"],
  ["supplied/conf."],
  ["withheld/empty", 1],
  ["KM holds"],
  ["KM stock"],
  ["app gets keys", 6],
];

function verdict(rig: Rig, { kms }: ScreenState, paint: Paint): string {
  if (kms !== undefined) {
    return comparison(kms, "QKD-keys at both KMs", paint);
  }
  if (!rig.comparable) {
    const keys = rig.ends.map((end) => `${end.name} ${rig.keysAt(end)}`).join(", ");
    return paint.good(`keys confirmed by their KMs: ${keys}`);
  }
  const { common, different } = rig.compare();
  const text = `${common} keys identical at both KMs, ${different} different`;
  return different === 0 ? paint.good(text) : paint.bad(text);
}

/** The next three things to type, in another terminal or a browser. */
function next(rig: Rig, paint: Paint): Line[] {
  const { alice, broker, folder } = rig;
  const url = `mqtts://127.0.0.1:${broker.port}`;
  const items = [
    `open ${alice.page ?? "(the page of Alice's node, in a moment)"}`,
    `scripts/qkd-node doctor --config ${alice.config}`,
    `scripts/manager watch --url ${url} --ca ${folder}/ca.crt`,
    ...(rig.kms === undefined ? [] : [curlLine(rig.kms.alice, rig.kms.bob)]),
  ];
  return commands(items, paint);
}

/** The picture: as many lines as the terminal has room for, each as long as it is wide. */
export function picture(rig: Rig, state: ScreenState, paint: Paint): string[] {
  const { size = { rows: 60, columns: 80 } } = state;
  const ends = rig.ends.map((end) => cellsOf(rig, end, state, paint));
  const table = rows.map(([label, spare], row): Line => {
    const cells = ends.map((end) => {
      const cell = end[row] as Cell;
      return cell.paint(cell.text) + " ".repeat(Math.max(0, column - cell.text.length));
    });
    const text = ` ${paint.dim(label.padEnd(16))}${cells.join(" ")}`.trimEnd();
    return spare === undefined ? { text } : { text, spare };
  });
  const lines: Line[] = [
    { text: ` ${paint.bold("qkd-node")}  ${state.seconds.toFixed(0)} s  ${state.source}` },
    { text: "", spare: 4 },
    ...table,
    { text: "", spare: 7 },
    { text: ` ${verdict(rig, state, paint)}` },
    ...raised(rig.view, rig.ends, paint, { most: 5, named: false }),
    { text: "", spare: 8 },
    ...keys(state, paint),
    ...next(rig, paint),
  ];
  return fitted(lines, size);
}

/** One line for where there is no terminal. */
export function line(rig: Rig, state: ScreenState): string {
  const ends = endNames.map((name, i) => {
    const report = rig.view.node(rig[name].nodeId);
    const isOnline = rig[name].node.running && report.status === "online";
    const qber = isOnline ? qberOf(rig, rig[name]) : undefined;
    const quality = qber === undefined ? "–" : `${(qber * 100).toFixed(2)} %`;
    const [link, km] = isOnline ? [report.link, report.km] : ["–", "–"];
    return `${name} link ${link} KM ${km} QBER ${quality} ${rate(state.rates[i] as number)} ${rig.keysAt(rig[name])} keys`;
  });
  if (state.kms !== undefined) {
    const { compared, differing } = state.kms;
    const told = `compared ${compared}, differing ${differing}`;
    return `${state.seconds.toFixed(0).padStart(4)} s  ${ends.join(" | ")} | ${told}`;
  }
  const { common, different } = rig.compare();
  const compared = rig.comparable ? ` | ${common} identical, ${different} different` : "";
  return `${state.seconds.toFixed(0).padStart(4)} s  ${ends.join(" | ")}${compared}`;
}
