/** Writes the OpenMetrics text format 1.0, and the older text format of Prometheus, 0.0.4. Pure. */

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

/** A family of one sample without labels. */
export function one(
  name: string,
  type: MetricType,
  help: string,
  value: number,
  unit?: string,
): Family {
  const samples = [{ labels: {}, value }];
  return { name, type, ...(unit !== undefined && { unit }), help, samples };
}

/** `classic`: text format 0.0.4, which every reader of Prometheus' kind knows. */
export type Format = "openmetrics" | "classic";

export const contentTypes: Readonly<Record<Format, string>> = {
  openmetrics: "application/openmetrics-text; version=1.0.0; charset=utf-8",
  classic: "text/plain; version=0.0.4; charset=utf-8",
};

/**
 * What a reader is given: OpenMetrics if it asks for it and likes nothing better, as with Prometheus'
 * own libraries; the older format else.
 * @param accept the request's `Accept` (RFC 9110 §12.5.1)
 */
export function formatFor(accept: string | undefined): Format {
  const liking = (type: RegExp) => {
    const found = (accept ?? "").split(",").flatMap((range) => {
      const [name = "", ...parameters] = range.split(";").map((part) => part.trim().toLowerCase());
      if (!type.test(name)) return [];
      const q = parameters.find((one) => one.startsWith("q="))?.slice(2);
      return [q === undefined ? 1 : Number.parseFloat(q) || 0];
    });
    return Math.max(0, ...found);
  };
  const open = liking(/^application\/openmetrics-text$/);
  return open > 0 && open >= liking(/^text\/(plain|\*)$/) ? "openmetrics" : "classic";
}

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
export function exposition(families: readonly Family[], format: Format = "openmetrics"): string {
  const lines: string[] = [];
  for (const family of families) {
    const { name, type, unit, help, samples } = family;
    if (samples.length === 0) continue;
    if (format === "classic") {
      lines.push(...classic(family));
      continue;
    }
    lines.push(`# TYPE ${name} ${type}`);
    if (unit !== undefined) lines.push(`# UNIT ${name} ${unit}`);
    lines.push(`# HELP ${name} ${escaped(help)}`);
    for (const { labels, value } of samples) {
      lines.push(`${name}${suffixes[type]}${labelSet(labels)} ${number(value)}`);
    }
  }
  return format === "classic" ? `${lines.join("\n")}\n` : `${lines.join("\n")}\n# EOF\n`;
}

/** Here a family has the name of its samples, a gauge stands for an info, and units are not told. */
function classic({ name, type, help, samples }: Family): string[] {
  const whole = `${name}${suffixes[type]}`;
  return [
    `# HELP ${whole} ${help.replaceAll("\\", "\\\\").replaceAll("\n", "\\n")}`,
    `# TYPE ${whole} ${type === "info" ? "gauge" : type}`,
    ...samples.map(({ labels, value }) => `${whole}${labelSet(labels)} ${number(value)}`),
  ];
}
