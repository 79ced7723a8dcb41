// Raised alarms: what they mean, what to do, what to type. New ones are said aloud.
import { sayAloud } from "./aloud.js";
import { byId, fill, keepList, make, mark, say } from "./dom.js";
import { capital, count, duration } from "./format.js";
import { moment, stamp, zoneOf } from "./time.js";

/**
 * @typedef {object} Alarm
 * @property {string} alarm
 * @property {string} name
 * @property {string} object
 * @property {string} severity
 * @property {boolean} active
 * @property {boolean} acknowledged
 * @property {string | undefined} [acknowledged_by]
 * @property {boolean} flapping
 * @property {boolean} latched
 * @property {string} text
 * @property {string} action
 * @property {number | undefined} [value]
 * @property {number | undefined} [threshold]
 * @property {string | undefined} [detail]
 * @property {string} raised RFC 3339
 * @property {number} count
 */

/** @param {Alarm} alarm */
function create(alarm) {
  return make(
    "li",
    { class: "alarm", "data-severity": alarm.severity },
    make("header", {}, make("b"), make("span", { class: "dim" })),
    make("h3", {}, capital(alarm.text)),
    make("p", { class: "facts" }),
    make("p", { class: "action" }, make("b", {}, "What to do: "), `${alarm.action}.`),
    make("p", { class: "type" }),
  );
}

/** @param {number} n */
function plain(n) {
  return Number(n.toPrecision(4)).toString();
}

/** @param {Element} element @param {Alarm} alarm @param {number} now @param {readonly string[]} commands @param {string} where */
function update(element, alarm, now, commands, where) {
  mark(element, "data-severity", alarm.severity);
  const query = (/** @type {string} */ what) =>
    /** @type {Element} */ (element.querySelector(what));
  say(query("header b"), `${capital(alarm.severity)} · ${alarm.object}`);
  const since = Date.parse(alarm.raised);
  const when = query("header span");
  say(when, `since ${moment(since, now)} ${zoneOf(since)}, ${duration(now - since)}`);
  mark(when, "title", stamp(since));
  const facts = [
    alarm.name,
    alarm.value === undefined ? "" : `value ${plain(alarm.value)}`,
    alarm.threshold === undefined ? "" : `threshold ${plain(alarm.threshold)}`,
    alarm.detail ?? "",
    alarm.active ? "" : "over, waits to be acknowledged",
    alarm.flapping ? "comes and goes" : "",
    alarm.acknowledged ? `acknowledged by ${alarm.acknowledged_by ?? "?"}` : "",
    alarm.count > 1 ? `${count(alarm.count)} times` : "",
  ];
  say(query(".facts"), facts.filter((text) => text !== "").join(" · "));
  fill(
    query(".type"),
    ...(commands.length === 0 ? [] : [`${where}, type: `]),
    ...commands.flatMap((command, i) => [i > 0 ? " " : "", make("code", {}, command)]),
  );
}

/** Alarms that were told aloud, by identity and severity. @type {Set<string>} */
let told = new Set();

/**
 * @template {Alarm} Told
 * @param {readonly Told[]} alarms the worst first
 * @param {number} now
 * @param {(alarm: Told) => readonly string[]} commandsFor what to type
 * @param {string} where it is to be typed: `At the node`
 * @param {readonly { severity: string }[]} [others] that the program lists itself, the worst first
 */
export function showAlarms(alarms, now, commandsFor, where, others = []) {
  const [first = { severity: "cleared" }] = [...alarms, ...others];
  mark(byId("alarms"), "data-severity", first.severity);
  say(byId("alarm-count"), String(alarms.length + others.length));
  byId("no-alarms").hidden = alarms.length + others.length > 0;
  keepList(
    byId("alarm-list"),
    alarms,
    ({ alarm }) => alarm,
    create,
    (element, alarm) => update(element, alarm, now, commandsFor(alarm), where),
  );
  const raised = new Set(alarms.map(({ alarm, severity }) => `${alarm} ${severity}`));
  const fresh = alarms.filter(({ alarm, severity }) => !told.has(`${alarm} ${severity}`));
  sayAloud(fresh.map(({ severity, object, text }) => ({ severity, text: `${object}: ${text}` })));
  told = raised;
}
