/** Figures that a KME does not tell, from a page of the QKD system that does: which, in which unit. Pure. */
import { Fault } from "../../src/base/errors.ts";
import { type FigureName, figures } from "../../src/port/telemetry.ts";

/** Units that a page may have, and what makes ours of them. */
const scales = {
  "1": { "1": 1, "%": 0.01 },
  "bit/s": { "bit/s": 1, "kbit/s": 1e3, "Mbit/s": 1e6 },
  "1/s": { "1/s": 1, kHz: 1e3, MHz: 1e6 },
  bit: { bit: 1, byte: 8 },
  "°C": { "°C": 1 },
  dBm: { dBm: 1 },
  mA: { mA: 1, A: 1e3 },
  dB: { dB: 1 },
} as const satisfies Readonly<Record<string, Readonly<Record<string, number>>>>;

/** Where a figure stands. */
export interface Place {
  /** Prometheus: the metric's name, with labels that it must have. JSON: a pointer (RFC 6901). */
  readonly from: string;
  readonly unit: string;
}

export type Places = Readonly<Partial<Record<FigureName, Place>>>;

/** Units that a figure may be given in. */
export function unitsOf(name: FigureName): readonly string[] {
  return Object.keys(scales[figures[name].unit]);
}

/**
 * Reads what it can: what is absent, no number or out of range is absent.
 * @returns `wrong`: names of figures that are there and out of range
 * @throws Fault `kme.answer` if the page is of another format
 */
export function readFigures(
  page: string,
  format: "prometheus" | "json",
  places: Places,
): {
  readonly values: Partial<Record<FigureName, number>>;
  readonly wrong: readonly FigureName[];
} {
  const find = format === "json" ? jsonFinder(page) : prometheusFinder(page);
  const values: Partial<Record<FigureName, number>> = {};
  const wrong: FigureName[] = [];
  for (const [key, { from, unit }] of Object.entries(places)) {
    const name = key as FigureName;
    const found = find(from);
    if (found === undefined || !Number.isFinite(found)) continue;
    const { min, max, unit: ours } = figures[name];
    const scale = (scales[ours] as Readonly<Record<string, number>>)[unit] ?? 1;
    const value = found * scale;
    if (value >= min && value <= max) values[name] = value;
    else wrong.push(name);
  }
  return { values, wrong };
}

function jsonFinder(page: string): (pointer: string) => number | undefined {
  let root: unknown;
  try {
    root = JSON.parse(page);
  } catch {
    throw new Fault("kme.answer", "the page of figures is no JSON");
  }
  return (pointer) => {
    let at = root;
    for (const part of pointer.split("/").slice(1)) {
      const name = part.replaceAll("~1", "/").replaceAll("~0", "~");
      if (typeof at !== "object" || at === null || !Object.hasOwn(at, name)) return undefined;
      at = (at as Record<string, unknown>)[name];
    }
    if (typeof at === "string" && at.trim() !== "") return Number(at);
    return typeof at === "number" ? at : undefined;
  };
}

/** A sample of Prometheus' text format: name, labels, value. */
const sample = /^([A-Za-z_:][\w:]*)\s*(?:\{(.*)\})?\s+(\S+)(?:\s+-?\d+)?$/;
const label = /([A-Za-z_]\w*)\s*=\s*"((?:[^"\\]|\\.)*)"/g;

function labelsOf(text = ""): Map<string, string> {
  return new Map([...text.matchAll(label)].map(([, name = "", value = ""]) => [name, value]));
}

function prometheusFinder(page: string): (from: string) => number | undefined {
  const samples = new Map<
    string,
    { readonly labels: Map<string, string>; readonly value: number }[]
  >();
  for (const line of page.split("\n")) {
    const [, name, labels, value] = sample.exec(line.trim()) ?? [];
    if (name === undefined || line.startsWith("#")) continue;
    const of = samples.get(name) ?? [];
    of.push({ labels: labelsOf(labels), value: Number(value) });
    samples.set(name, of);
  }
  return (from) => {
    const [, name = from, wanted] = /^([^{]+)(?:\{(.*)\})?$/.exec(from.trim()) ?? [];
    const labels = [...labelsOf(wanted)];
    const found = (samples.get(name) ?? []).filter((one) =>
      labels.every(([key, value]) => one.labels.get(key) === value),
    );
    // Two that fit are none: it would not be known whose the figure is.
    return found.length === 1 ? found[0]?.value : undefined;
  };
}
