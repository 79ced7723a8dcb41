// Most of what is text on the page: header, state, figures, alarms, tabs.
import { byId, fill, keepList, make, mark, say } from "./dom.js";
import { counter, figure } from "./flow.js";
import { amount, capital, count, duration, percent, scaled } from "./format.js";
import { moment, stamp, zoneOf } from "./time.js";
import { commandsFor } from "./type.js";

/** @typedef {import("./live.js").State} State */
/** @typedef {State["modules"][number]} Module */
/** @typedef {State["alarms"][number]} Alarm */

const shapes = {
  good: '<circle cx="12" cy="12" r="10" fill="none" stroke="currentColor" stroke-width="2"/><path d="M7.5 12.5l3 3 6-7" fill="none" stroke="currentColor" stroke-width="2.4" stroke-linecap="round" stroke-linejoin="round"/>',
  attention:
    '<path d="M12 3L22 20.5H2z" fill="none" stroke="currentColor" stroke-width="2" stroke-linejoin="round"/><path d="M12 9.5v5M12 17.4v.2" stroke="currentColor" stroke-width="2.4" stroke-linecap="round"/>',
  waiting:
    '<circle cx="12" cy="12" r="10" fill="none" stroke="currentColor" stroke-width="2"/><path d="M12 6.5V12l4 2.5" fill="none" stroke="currentColor" stroke-width="2.2" stroke-linecap="round" stroke-linejoin="round"/>',
  bad: '<path d="M8 2h8l6 6v8l-6 6H8l-6-6V8z" fill="none" stroke="currentColor" stroke-width="2" stroke-linejoin="round"/><path d="M8.5 8.5l7 7M15.5 8.5l-7 7" stroke="currentColor" stroke-width="2.4" stroke-linecap="round"/>',
};

/** @param {State} state */
export function showHeader({ t, node }) {
  say(byId("node-id"), node.id);
  const up = duration(t - node.started);
  const broker = node.broker?.up === false ? ", manager not connected" : "";
  const key = node.panel?.maintenance ? ", key switch at maintenance" : "";
  say(byId("node-facts"), `qkd-node ${node.version}, up ${up}${broker}${key}`);
}

/** @param {Module} module @param {State} state */
export function showVerdict({ condition, state, name, kept_back }, { t, modules, node, alarms }) {
  const panel = byId("verdict");
  const { level, text, action, since } = condition;
  if (panel.dataset.level !== level) {
    panel.dataset.level = level;
    byId("verdict-icon").innerHTML =
      `<svg viewBox="0 0 24 24" aria-hidden="true">${shapes[level]}</svg>`;
  }
  say(byId("verdict-text"), text);
  const age = `since ${moment(since, t)} ${zoneOf(since)}, ${duration(t - since)}`;
  // What else is wrong beside the first.
  const more = level === "bad" && state.reason !== "" && !text.includes(state.reason);
  say(byId("verdict-detail"), more ? `${age}. ${state.reason}` : age);
  const todo = level === "good" || action === "" ? [] : [`${capital(action)}.`];
  const line = (/** @type {(Node | string)[]} */ ...parts) =>
    make("p", { class: "todo" }, ...parts);
  fill(
    byId("verdict-todo"),
    ...todo.map((what) => line(make("b", {}, "What to do: "), what)),
    ...kept_back.map(({ count: n, text: what, command }) =>
      line(make("b", {}, `Kept back: ${count(n)} `), `${what} · `, make("code", {}, command)),
    ),
  );
  const where = modules.length > 1 ? `${node.id} ${name}` : node.id;
  const open = alarms.length === 0 ? "" : `(${alarms.length}) `;
  const title = `${open}${where}: ${text}`;
  if (document.title !== title) document.title = title;
}

/** @param {string} id @param {[string, string]} value @param {string} note @param {string} [quality] */
function show(id, [value, unit], note, quality = "good") {
  const panel = byId(id);
  mark(panel, "data-quality", quality);
  const [, shown, below] = /** @type {Element[]} */ ([...panel.children]);
  if (shown === undefined || below === undefined) return;
  fill(shown, value, ...(unit === "" ? [] : [" ", make("small", {}, unit)]));
  say(below, note);
}

/** @param {string} id @param {number} value @param {{ low: number, high: number, optimum: number }} bounds */
function gauge(id, value, { low, high, optimum }) {
  const meter = /** @type {HTMLMeterElement} */ (byId(id).querySelector("meter"));
  Object.assign(meter, { low, high, optimum, value: Math.min(1, Math.max(0, value)) });
}

/** @param {{ age_ms: number, quality: string }} report @param {string} good */
function noteOf(report, good) {
  if (report.quality === "stale") return `last told ${duration(report.age_ms)} ago`;
  if (report.quality === "out_of_range") return "out of range: not to be believed";
  return good;
}

/** @param {Module} module */
export function showFigures(module) {
  const qber = figure(module, "qber");
  const limit = module.qber_limit ?? 0.11;
  const limits = `limit ${percent(limit, 1)}`;
  if (qber === undefined) show("figure-qber", ["–", ""], "not reported");
  else {
    const value = /** @type {[string, string]} */ ([(qber.last * 100).toFixed(2), "%"]);
    show("figure-qber", value, noteOf(qber, limits), qber.quality);
  }
  gauge("figure-qber", (qber?.last ?? 0) / limit, { low: 0.73, high: 0.99, optimum: 0 });

  const rate = figure(module, "secret_key_rate");
  if (rate === undefined) show("figure-rate", ["–", ""], "not reported");
  else {
    const note = noteOf(rate, "distilled by the module");
    show("figure-rate", scaled(rate.last, "bit/s"), note, rate.quality);
  }
  const repeats = counter(module, "repeats");
  const again = repeats === 0 ? "" : `, ${count(repeats)} repeated`;
  const bits = `${amount(counter(module, "bits"), "bit")} since start${again}`;
  show("figure-keys", [count(counter(module, "confirmed")), ""], bits);

  const full = figure(module, "key_buffer_fill");
  const held = figure(module, "key_buffer_bits");
  if (full === undefined) show("figure-buffer", ["–", ""], "not reported");
  else {
    const value = /** @type {[string, string]} */ ([(full.last * 100).toFixed(1), "%"]);
    const note = held === undefined ? "filled" : `${amount(held.last, "bit")} held`;
    show("figure-buffer", value, noteOf(full, note), full.quality);
  }
  gauge("figure-buffer", full?.last ?? 0, { low: 0.5, high: 0.8, optimum: 0 });
}

/** @param {Alarm} alarm */
function createAlarm(alarm) {
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

/** @param {Element} element @param {Alarm} alarm @param {State} state */
function updateAlarm(element, alarm, { t: now, node }) {
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
  const commands = commandsFor(alarm, node);
  fill(
    query(".type"),
    ...(commands.length === 0 ? [] : ["At the node, type: "]),
    ...commands.flatMap((command, i) => [i > 0 ? " " : "", make("code", {}, command)]),
  );
}

/** Alarms that were told aloud, by identity and severity. @type {Set<string>} */
let told = new Set();

/** @param {State} state */
export function showAlarms(state) {
  const { alarms } = state;
  // The worst one is the first.
  mark(byId("alarms"), "data-severity", alarms[0]?.severity ?? "cleared");
  say(byId("alarm-count"), String(alarms.length));
  byId("no-alarms").hidden = alarms.length > 0;
  keepList(
    byId("alarm-list"),
    alarms,
    ({ alarm }) => alarm,
    createAlarm,
    (element, alarm) => updateAlarm(element, alarm, state),
  );
  const now = new Set(alarms.map(({ alarm, severity }) => `${alarm} ${severity}`));
  for (const { alarm, severity, object, text } of alarms) {
    if (told.has(`${alarm} ${severity}`)) continue;
    byId("announce").replaceChildren(`Alarm, ${severity}, ${object}: ${text}`);
  }
  told = now;
}

/**
 * @param {State} state @param {string} selected
 * @param {(name: string) => void} onSelect
 */
export function showTabs({ modules }, selected, onSelect) {
  const tabs = byId("modules");
  tabs.hidden = modules.length < 2;
  if (tabs.hidden) return;
  keepList(
    tabs,
    modules,
    ({ name }) => name,
    ({ name }) => {
      const label = make("span", {}, name);
      const tab = make(
        "button",
        { type: "button", role: "tab" },
        make("span", { class: "dot" }),
        label,
      );
      tab.addEventListener("click", () => onSelect(name));
      return tab;
    },
    (tab, { name, condition }) => {
      mark(tab, "aria-selected", String(name === selected));
      mark(tab, "tabindex", name === selected ? "0" : "-1");
      mark(tab, "data-level", condition.level);
      mark(tab, "aria-label", `${name}: ${condition.text}`);
    },
  );
}
