/** What nodes tell, as lines for a person. */

export interface Told {
  readonly node: string;
  /** What is below the node's topic. */
  readonly topic: string;
  readonly payload: unknown;
}

/** Text of a node on one line, whatever is in it. */
function tidy(value: unknown): string {
  const text = typeof value === "string" ? value : JSON.stringify(value ?? "");
  return /^[\w .,:;/@+%°()'<>=-]*$/.test(text) ? text : JSON.stringify(text);
}

type Fields = Readonly<Record<string, unknown>>;

function number(value: unknown, digits: number): string {
  return typeof value === "number" ? value.toFixed(digits) : "?";
}

export function alarmLine(node: string, alarm: Fields): string {
  const flags = [
    alarm.active === false && "over",
    alarm.flapping === true && "flapping",
    alarm.acknowledged === true && `acknowledged by ${tidy(alarm.acknowledged_by)}`,
  ].filter((flag) => flag !== false);
  const value =
    alarm.value === undefined ? "" : ` ${tidy(alarm.value)} (limit ${tidy(alarm.threshold)})`;
  const detail = alarm.detail === undefined ? "" : `: ${tidy(alarm.detail)}`;
  const severity = tidy(alarm.severity).toUpperCase().padEnd(8);
  const more = flags.length === 0 ? "" : ` [${flags.join(", ")}]`;
  return `${tidy(node)}  ${severity}  ${tidy(alarm.alarm)}${value}${detail}${more}  since ${tidy(alarm.raised)}`;
}

function figure(figures: Fields, name: string, scale: number, digits: number): string {
  const mean = (figures[name] as Fields | undefined)?.mean;
  return number(typeof mean === "number" ? mean * scale : undefined, digits);
}

/** One line, or none for what is of no interest to a person. */
export function line({ node, topic, payload }: Told): string | undefined {
  if (typeof payload !== "object" || payload === null) return undefined;
  const fields = payload as Fields;
  const [kind, name = "", what] = topic.split("/");
  const head = `${tidy(node)}  `;
  if (kind === "status")
    return `${head}${tidy(fields.status)} (boot ${tidy(fields.boot)}) ${tidy(fields.reason)}`;
  if (kind === "alarm") return alarmLine(node, fields);
  if (kind === "module" && what === "state") {
    return `${head}${tidy(name)}: module ${tidy(fields.module)}, link ${tidy(fields.link)}, KM ${tidy(fields.km)} ${tidy(fields.reason)}`;
  }
  if (kind === "module" && what === "telemetry") {
    const figures = (fields.figures ?? {}) as Fields;
    const qber = figure(figures, "qber", 100, 2);
    const rate = figure(figures, "secret_key_rate", 1, 0);
    return `${head}${tidy(name)}: QBER ${qber} %, ${rate} bit/s`;
  }
  if (kind === "kq1") {
    return `${head}${tidy(name)}: ${tidy(fields.confirmed)} of ${tidy(fields.supplied)} keys confirmed`;
  }
  if (kind === "event") return `${head}${tidy(fields.type)} ${tidy(JSON.stringify(fields.facts))}`;
  if (kind === "cmd") {
    const facts = fields.facts === undefined ? "" : ` ${JSON.stringify(fields.facts)}`;
    return `${head}${tidy(name)}: ${tidy(fields.status)} ${tidy(fields.reason)}${tidy(facts)}`;
  }
  return undefined;
}
