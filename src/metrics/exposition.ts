/** Writes the OpenMetrics text format 1.0. Pure. */

export type MetricType = "counter" | "gauge" | "info";

export type Labels = Readonly<Record<string, string>>;

export interface Sample {
  readonly labels: Labels;
  readonly value: number;
}

export interface Family {
  /** Without `_total`, and with its unit as the last part if it has one. */
  readonly name: string;
  readonly type: MetricType;
  readonly unit?: string;
  readonly help: string;
  readonly samples: readonly Sample[];
}

export const contentType = "application/openmetrics-text; version=1.0.0; charset=utf-8";

const suffixes: Readonly<Record<MetricType, string>> = {
  counter: "_total",
  gauge: "",
  info: "_info",
};

function escaped(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n").replaceAll('"', '\\"');
}

function labelSet(labels: Labels): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escaped(value)}"`);
  return pairs.length === 0 ? "" : `{${pairs.join(",")}}`;
}

function number(value: number): string {
  if (Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value > 0 ? "+Inf" : "-Inf";
  return String(value);
}

/** Families without a sample are left out. */
export function exposition(families: readonly Family[]): string {
  const lines: string[] = [];
  for (const { name, type, unit, help, samples } of families) {
    if (samples.length === 0) continue;
    lines.push(`# TYPE ${name} ${type}`);
    if (unit !== undefined) lines.push(`# UNIT ${name} ${unit}`);
    lines.push(`# HELP ${name} ${escaped(help)}`);
    for (const { labels, value } of samples) {
      lines.push(`${name}${suffixes[type]}${labelSet(labels)} ${number(value)}`);
    }
  }
  return `${lines.join("\n")}\n# EOF\n`;
}
