/** What a run of a network looks like: a column for each module, a line for each link. Pure text. */
import type { FibreEnd, NetworkRig } from "../../../test/rig/network-rig.ts";
import type { ShownApplications } from "../applications.ts";
import { curlLine } from "../endpoints.ts";
import { comparison, raised } from "../raised.ts";
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
} from "../text.ts";
import type { ShownController } from "./controller.ts";
import type { NetworkKms } from "./kms.ts";

const label = 15;
const column = 15;

export interface RowState extends Keys {
  readonly kms: NetworkKms;
  readonly controller: ShownController;
  readonly applications: ShownApplications;
  readonly source: string;
  readonly seconds: number;
  /** Confirmed key over the last seconds, bit/s, by module. */
  readonly rates: readonly number[];
  /** QBER at each second, by module. */
  readonly qbers: readonly (readonly (number | undefined)[])[];
}

/** The last QBER that a node has told of a module. */
export function qberOf({ report, place }: FibreEnd): number | undefined {
  const { qber } = report.figures;
  return place.node.running && typeof qber === "number" ? qber : undefined;
}

function cellsOf(rig: NetworkRig, of: FibreEnd, i: number, state: RowState, paint: Paint): Cell[] {
  const { place, report, counters, end } = of;
  const { node, nodeId, name } = place;
  const { status } = rig.view.node(nodeId);
  const qber = qberOf(of);
  const isOnline = node.running && status === "online";
  const judged = (text: string, good: boolean): Cell => ({
    text,
    paint: good ? paint.good : paint.bad,
  });
  const simple = (text: string): Cell => ({ text, paint: plain });
  const { withheld, empty_blocks } = counters;
  return [
    { text: name.toUpperCase(), paint: paint.bold },
    simple(end.module.identity.moduleId.slice(0, column - 1)),
    asTold(report.link, report.link === "ACTIVE", isOnline, paint),
    judged(node.running ? status : "stopped", isOnline),
    asTold(report.km, report.km === "UP", isOnline, paint),
    simple(qber === undefined ? "–" : `${(qber * 100).toFixed(2)} %`),
    simple(sparkline(state.qbers[i] ?? [], column - 2)),
    simple(rate(state.rates[i] ?? 0)),
    simple(`${end.module.heldBits} bit`),
    simple(`${counters.supplied} / ${counters.confirmed}`),
    { text: `${withheld} / ${empty_blocks}`, paint: withheld > 0 ? paint.bad : plain },
  ];
}

/** Labels of the rows, and which of them may be left out. */
const rows: readonly (readonly [label: string, spare?: number])[] = [
  [""],
  ["module", 5],
  ["link"],
  ["node"],
  ["to its KM", 0.5],
  ["QBER"],
  ["QBER, lately", 2],
  ["key rate"],
  ["in the module", 6],
  ["supplied/conf.", 0.6],
  ["withheld/empty", 1],
];

function capital(name: string): string {
  return `${name.slice(0, 1).toUpperCase()}${name.slice(1)}`;
}

/** Stock of a link between two KMs, as the first of them tells it. */
function kmLines(rig: NetworkRig, { kms }: RowState, paint: Paint): Line[] {
  const fibres = rig.fibres.map(({ ends }): Line => {
    const [one, other] = ends;
    const names = `${capital(one.place.name)}–${capital(other.place.name)}`;
    const link = kms.linkOf(one);
    const away = ends.filter(({ place }) => !kms.isRunning(place.name));
    const stopped = away.map(({ place }) => `${capital(place.name)}'s KM is not running`);
    const text =
      stopped[0] ??
      (link?.session === "ready"
        ? `${link.stock_bits} + ${link.peer_stock_bits} bit, of ${kms.comparedOf(ends)} QKD-keys`
        : "the KMs are not linked");
    const isGood = stopped.length === 0 && link?.session === "ready";
    return { text: ` ${paint.dim(`stock ${names}`.padEnd(22))}${isGood ? text : paint.bad(text)}` };
  });
  const { ends, stock, relays, pad_bits, bits } = kms.relayed;
  const names = `${capital(ends[0])}–${capital(ends[1])}`;
  const cost = bits === 0 ? "" : `, ${(pad_bits / bits).toFixed(2)} bit of pad a bit`;
  const told = `${stock} bit, by ${relays} relays${cost}`;
  return [...fibres, { text: ` ${paint.dim(`stock ${names}`.padEnd(22))}${told}` }];
}

/** Whom the controller hears, which way keys are relayed, and what it thinks of it. */
function controllerLine({ controller }: RowState, paint: Paint): Line {
  const { verdict, report } = controller;
  const { kms, attached, route } = report;
  const way = route.length === 0 ? "no route yet" : `route ${route.map(capital).join("–")}`;
  const text = `${attached} of ${kms} KMs, ${way}: ${verdict?.code ?? "it does not answer"}`;
  const isBad = verdict === undefined || verdict.level === "bad";
  return { text: ` ${paint.dim("controller".padEnd(22))}${isBad ? paint.bad(text) : text}` };
}

/** What the applications of both far ends got. */
function applicationLine({ applications, kms }: RowState, paint: Paint): Line {
  const cells = (["alice", "bob"] as const).map((end, i) => {
    const { keys, different, ms, trouble } = applications.of(end);
    const who = capital(kms.relayed.ends[i] as string);
    if (different > 0) return paint.bad(`${who} ${different} of ${keys} DIFFER`);
    if (trouble !== undefined) return paint.bad(`${who} ${trouble.slice(0, 20)}`);
    if (ms === undefined) return paint.dim(`${who} none yet`);
    return paint.good(`${who} ${keys} equal, ${ms.toFixed(1)} ms`);
  });
  return { text: ` ${paint.dim("apps get keys".padEnd(22))}${cells.join("; ")}` };
}

function next(rig: NetworkRig, { controller }: RowState, paint: Paint): Line[] {
  const [first] = rig.places;
  const last = rig.places.at(-1);
  if (first === undefined || last === undefined) return [];
  const { folder, broker } = rig;
  const items = [
    `open ${first.page ?? `(the page of ${first.nodeId}, in a moment)`}`,
    `open ${controller.page ?? "(the map, in a moment)"}  # the controller's map`,
    `scripts/qkd-km status --config ${first.km.config}`,
    `scripts/manager watch --url mqtts://127.0.0.1:${broker.port} --ca ${folder}/ca.crt`,
    curlLine(first.km, last.km),
  ];
  return commands(items, paint);
}

/** The picture: as many lines as the terminal has room for, each as long as it is wide. */
export function rowPicture(
  rig: NetworkRig,
  state: RowState,
  paint: Paint,
  size: { readonly rows: number; readonly columns: number },
): string[] {
  const ends = rig.fibres.flatMap((fibre) => fibre.ends);
  const columns = ends.map((end, i) => cellsOf(rig, end, i, state, paint));
  const table = rows.map(([name, spare], row): Line => {
    const cells = columns.map((end, i) => {
      const cell = end[row] as Cell;
      const gap = row === 0 && i % 2 === 0 ? "═" : " ";
      const room = Math.max(0, column - cell.text.length - 1);
      const fill = gap === "═" ? ` ${"═".repeat(Math.max(0, room - 1))}` : gap.repeat(room);
      return cell.paint(cell.text) + (gap === "═" ? paint.dim(fill) : fill);
    });
    const text = ` ${paint.dim(name.padEnd(label))}${cells.join(" ")}`.trimEnd();
    return spare === undefined ? { text } : { text, spare };
  });
  const lines: Line[] = [
    { text: ` ${paint.bold("qkd-node")}  ${state.seconds.toFixed(0)} s  ${state.source}` },
    { text: "", spare: 4 },
    ...table,
    { text: "", spare: 7 },
    ...kmLines(rig, state, paint),
    controllerLine(state, paint),
    applicationLine(state, paint),
    { text: "", spare: 9 },
    { text: ` ${comparison(state.kms, "QKD-keys of each fibre at both its KMs", paint)}` },
    ...raised(rig.view, rig.places, paint, { most: 4, named: true }),
    { text: "", spare: 8 },
    ...keys(state, paint),
    ...next(rig, state, paint),
  ];
  return fitted(lines, size);
}

/** One line for where there is no terminal. */
export function rowLine(rig: NetworkRig, state: RowState): string {
  const linkOf = ({ place: { node, nodeId }, report }: FibreEnd) =>
    node.running && rig.view.node(nodeId).status === "online" ? report.link : "–";
  const fibres = rig.fibres.map(({ ends }, i) => {
    const [one, other] = ends;
    const qber = qberOf(one);
    const words = [
      `${one.place.name}–${other.place.name} link ${linkOf(one)}/${linkOf(other)}`,
      `QBER ${qber === undefined ? "–" : `${(qber * 100).toFixed(2)} %`}`,
      rate(state.rates[2 * i] ?? 0),
      `compared ${state.kms.comparedOf(ends)}`,
    ];
    return words.join(" ");
  });
  const { relayed, differing } = state.kms;
  const far = `${relayed.ends.join("–")} ${relayed.bits} bit relayed, differing ${differing}`;
  return `${state.seconds.toFixed(0).padStart(4)} s  ${fibres.join(" | ")} | ${far}`;
}
