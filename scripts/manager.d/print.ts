/** What nodes, key managers and controllers tell, as lines for a person. */

export interface Told {
  /** Whose it is: a node's or, with `km` or `controller`, a key manager's or controller's ID. */
  readonly node: string;
  readonly km?: true;
  readonly controller?: true;
  /** What is below its topic. */
  readonly topic: string;
  readonly payload: unknown;
}

/** Text of a node on one line, whatever is in it; what is not there is nothing. */
function tidy(value: unknown): string {
  if (typeof value === "number") return String(Number(value.toPrecision(6)));
  const text = typeof value === "string" ? value : (JSON.stringify(value) ?? "");
  return /^[\w .,:;/@+%°()'<>=-]*$/.test(text) ? text : JSON.stringify(text);
}

type Fields = Readonly<Record<string, unknown>>;

/** Members as words: `module alice, qber 0.1257`; what they have in them in brackets. */
export function words(value: unknown): string {
  if (Array.isArray(value)) return value.map(words).join(" ");
  if (typeof value !== "object" || value === null) return tidy(value);
  return Object.entries(value)
    .filter(([, one]) => one !== undefined)
    .map(([name, one]) => {
      const inner = words(one);
      const nested = typeof one === "object" && one !== null;
      return `${tidy(name)} ${nested ? `(${inner})` : inner === "" ? "–" : inner}`;
    })
    .join(", ");
}

/** Events whose facts begin with what they are about. */
function event(fields: Fields): string {
  const of = fields.module === undefined ? "" : `${tidy(fields.module)}: `;
  const type = `${of}${tidy(fields.type).replaceAll("_", " ")}`;
  const facts = (fields.facts ?? {}) as Fields;
  const transition = /^alarm_(\w+)$/.exec(String(fields.type));
  if (transition === null) {
    const said = words(facts);
    return `${type}${said === "" ? "" : `: ${said}`}`;
  }
  const { alarm, severity, value, threshold, detail, acknowledged_by: by } = facts;
  return `alarm ${tidy(transition[1])}: ${words({ [String(alarm)]: severity, value, limit: threshold, detail, by })}`;
}

/** A command on its way to a node, as it says of itself: who signed it is for the node to find out. */
export function commandLine(node: string, command: string, jws: string): string {
  const read = (part: string | undefined): Fields => {
    try {
      const value: unknown = JSON.parse(Buffer.from(part ?? "", "base64url").toString("utf8"));
      return typeof value === "object" && value !== null ? (value as Fields) : {};
    } catch {
      return {};
    }
  };
  const [head, body] = jws.split(".");
  const { kid } = read(head);
  const said = words(read(body).args ?? {});
  const by = kid === undefined ? "not signed" : `signed as ${tidy(kid)}`;
  return `${tidy(node)}  command ${tidy(command)}${said === "" ? "" : ` (${said})`}, ${by}`;
}

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

/** What a person wants to know of a result; which node and command it is of stands before it. */
function outcome({ status, reason, earlier, facts }: Fields): string {
  const why = reason === undefined ? "" : `, ${because[String(reason)] ?? words(reason)}`;
  const before = earlier === undefined ? "" : `; it was ${words(earlier)} then`;
  return `${words(status)}${why}${before}${facts === undefined ? "" : `: ${words(facts)}`}`;
}

/** Reasons of refusals that are not plain from their name. */
const because: Readonly<Record<string, string>> = {
  unknown_key: "unknown_key: the configuration has no key of this id",
  bad_signature: "bad_signature: signed with another key than it has under this id",
  no_command_key: "its configuration has no [[manager.command_key]]: it takes no commands",
  unsigned: "unsigned: not a signed command",
  not_permitted: "not_permitted: this key may not give this command",
  wrong_boot: "wrong_boot: it must name the boot counter of now (--boot)",
  wrong_incarnation: "wrong_incarnation: it began anew meanwhile; send it again",
  issued_before_start: "issued_before_start: it began later, by its clock; send it again",
  bad_arguments: "bad_arguments: not the arguments of this command",
  clock_implausible: "clock_implausible: it does not know what time it is",
  expired: "expired: its time was over, by its clock",
  not_yet_valid: "not_yet_valid: issued in the future, by its clock",
  out_of_order: "out_of_order: a later command of this key was seen; its clock went back",
};

/** One line of what a key manager tells, where it is not as of a node. */
function kmLine(km: string, topic: string, fields: Fields): string | undefined {
  const [kind, name = "", what] = topic.split("/");
  const head = `${tidy(km)}  ${tidy(name)}: `;
  const bits = (value: unknown) => `${number(value, 0)} bit/s`;
  if (kind === "link" && what === "state") {
    return `${head}to ${tidy(fields.peer)} ${tidy(fields.session)}, mark ${tidy(fields.mark)}, its ${tidy(fields.peer_mark)}`;
  }
  if (kind === "link" && what === "telemetry") {
    const { stock_bits: own, peer_stock_bits: other, matched_rate, supplied_rate } = fields;
    return `${head}stock ${tidy(own)} and ${tidy(other)} bits, in ${bits(matched_rate)}, out ${bits(supplied_rate)}, ${tidy(fields.differing_keys)} keys differ`;
  }
  if (kind === "module" && what === "telemetry") {
    return `${head}${tidy(fields.received_keys)} keys came, ${bits(fields.received_rate)}`;
  }
  if (kind === "record") {
    const records = Array.isArray(fields.records) ? (fields.records as Fields[]) : [];
    const kinds = [...new Set(records.map(({ kind }) => tidy(kind)))].join(", ");
    return `${tidy(km)}  records ${tidy(records[0]?.number)} to ${tidy(records.at(-1)?.number)}: ${kinds}`;
  }
  return undefined;
}

/** The same of a controller. */
function controllerLine(controller: string, topic: string, fields: Fields): string | undefined {
  const [kind, name = "", what] = topic.split("/");
  const head = tidy(controller);
  if (kind === "network") {
    const { role, verdict, nodes, nodes_attached, links, links_bad, pairs_without_route } = fields;
    const { level, code } = (verdict ?? {}) as Fields;
    return `${head}  ${tidy(role)}, ${tidy(level)}: ${tidy(code)}; ${tidy(nodes_attached)} of ${tidy(nodes)} nodes connected, ${tidy(links_bad)} of ${tidy(links)} links bad, ${tidy(pairs_without_route)} pairs without a route`;
  }
  if (kind === "link" && what === "state") {
    return `${head}  ${tidy(name)}: ${tidy(fields.state)} ${tidy(fields.reason)}`.trimEnd();
  }
  return undefined;
}

/** One line, or none for what is of no interest to a person. */
export function line({ node, km, controller, topic, payload }: Told): string | undefined {
  if (typeof payload !== "object" || payload === null) return undefined;
  const fields = payload as Fields;
  if (km && /^(link|module|record)(\/|$)/.test(topic)) return kmLine(node, topic, fields);
  if (controller && /^(link|network)(\/|$)/.test(topic)) {
    return controllerLine(node, topic, fields);
  }
  const [kind, name = "", what] = topic.split("/");
  const head = `${tidy(node)}  `;
  if (kind === "status")
    return `${head}${tidy(fields.status)} (boot ${tidy(fields.boot)}) ${tidy(fields.reason)}`.trimEnd();
  if (kind === "alarm") return alarmLine(node, fields);
  if (kind === "module" && what === "state") {
    return `${head}${tidy(name)}: module ${tidy(fields.module)}, link ${tidy(fields.link)}, KM ${tidy(fields.km)} ${tidy(fields.reason)}`.trimEnd();
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
  if (kind === "event") return `${head}${event(fields)}`;
  if (kind === "cmd") return `${head}${tidy(name)}: ${outcome(fields)}`;
  return undefined;
}
