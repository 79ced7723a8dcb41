/** What a run looks like: a live picture on a terminal, plain lines elsewhere. Pure text. */
import { endNames, type Rig } from "../../test/rig/rig.ts";

const column = 30;

/** ANSI colours, or none. */
export interface Paint {
  good(text: string): string;
  bad(text: string): string;
  dim(text: string): string;
  bold(text: string): string;
}

const code = (n: number) => (text: string) => `\u001b[${n}m${text}\u001b[0m`;
const plain = (text: string) => text;

export const colours: Paint = { good: code(32), bad: code(31), dim: code(2), bold: code(1) };
export const noColours: Paint = { good: plain, bad: plain, dim: plain, bold: plain };

function rate(bitsPerSecond: number): string {
  const units = ["bit/s", "kbit/s", "Mbit/s", "Gbit/s"];
  let value = bitsPerSecond;
  let unit = 0;
  for (; value >= 1_000 && unit < units.length - 1; unit++) value /= 1_000;
  return `${value.toFixed(value < 10 && unit > 0 ? 1 : 0)} ${units[unit]}`;
}

const bars = "▁▂▃▄▅▆▇█";

/** QBER from 0 to 12 %, one character a block, the newest on the right. */
function sparkline(values: readonly number[]): string {
  return values
    .slice(-16)
    .map((qber) => bars[Math.min(bars.length - 1, Math.floor((qber / 0.12) * bars.length))])
    .join("");
}

function number(figure: number | number[] | undefined): number | undefined {
  return typeof figure === "number" ? figure : undefined;
}

export interface ScreenState {
  readonly source: string;
  readonly seconds: number;
  /** Confirmed key over the last seconds, bit/s, by end. */
  readonly rates: readonly [number, number];
}

/** The picture: lines of at most 80 columns. */
export function picture(rig: Rig, state: ScreenState, paint: Paint): string[] {
  const ends = endNames.map((name, i) => {
    const { nodeId, km, node, page } = rig[name];
    const report = rig.view.node(nodeId);
    const counters = rig.view.counters(nodeId);
    const { keys, bits } = km.store.summary();
    const qber = number(report.figures.qber);
    const qbers = km.store.entries().flatMap((key) => key.qber ?? []);
    const module = rig.pair[name].module;
    const state_ = (text: string, good: boolean) => ({
      text,
      paint: good ? paint.good : paint.bad,
    });
    return [
      { text: `${name.toUpperCase()}  ${nodeId}`, paint: paint.bold },
      { text: module.identity.moduleId, paint: plain },
      state_(report.link, report.link === "ACTIVE"),
      state_(node.running ? report.status : "stopped", report.status === "online"),
      state_(report.km, report.km === "UP"),
      { text: qber === undefined ? "–" : `${(qber * 100).toFixed(2)} %`, paint: plain },
      { text: sparkline(qbers), paint: plain },
      { text: rate(state.rates[i] as number), paint: plain },
      { text: `${module.heldBits} bit held`, paint: plain },
      { text: `${counters.supplied} / ${counters.confirmed}`, paint: plain },
      {
        text: `${counters.withheld} / ${counters.empty_blocks}`,
        paint: counters.withheld > 0 ? paint.bad : plain,
      },
      { text: `${keys} keys, ${bits} bit`, paint: plain },
      { text: km.store.ids().at(-1)?.slice(0, 23) ?? "–", paint: paint.dim },
      { text: page ?? "–", paint: plain },
    ];
  });
  const labels = [
    "",
    "module",
    "link",
    "node",
    "KM link",
    "QBER",
    "QBER by key",
    "key rate",
    "in the module",
    "supplied/conf.",
    "withheld/empty",
    "KM holds",
    "last key_ID",
    "page",
  ];
  const rows = labels.map((label, row) => {
    const cells = ends.map((end) => {
      const cell = end[row] as { text: string; paint: (text: string) => string };
      return cell.paint(cell.text) + " ".repeat(Math.max(0, column - cell.text.length));
    });
    return ` ${paint.dim(label.padEnd(16))}${cells.join(" ")}`.trimEnd();
  });
  const { common, different } = rig.compare();
  const verdict = `${common} keys identical at both KMs, ${different} different`;
  const troubles = endNames
    .map((name) => ({ name, reason: rig.view.node(rig[name].nodeId).reason }))
    .filter(({ reason }) => reason !== "")
    .map(({ name, reason }) => ` ${paint.bad(`${name}: ${reason}`.slice(0, 78))}`);
  if (troubles.length === 0) troubles.push(` ${paint.dim("no alarms")}`);
  return [
    ` ${paint.bold("qkd-node")}  ${state.source}`.slice(0, 80 + paint.bold("").length),
    ` ${paint.dim(`${state.seconds.toFixed(0)} s · Ctrl-C stops`)}`,
    "",
    ...rows,
    "",
    ` ${different === 0 ? paint.good(verdict) : paint.bad(verdict)}`,
    ...troubles,
  ];
}

/** One line for where there is no terminal. */
export function line(rig: Rig, state: ScreenState): string {
  const ends = endNames.map((name, i) => {
    const report = rig.view.node(rig[name].nodeId);
    const { keys } = rig[name].km.store.summary();
    const qber = number(report.figures.qber);
    const quality = qber === undefined ? "–" : `${(qber * 100).toFixed(2)} %`;
    return `${name} link ${report.link} KM ${report.km} QBER ${quality} ${rate(state.rates[i] as number)} ${keys} keys`;
  });
  const { common, different } = rig.compare();
  return `${state.seconds.toFixed(0).padStart(4)} s  ${ends.join(" | ")} | ${common} identical, ${different} different`;
}
