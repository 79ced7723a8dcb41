// Everything on the page that is text: header, state, figures, alarms, events, identity.
import { byId, fill, keepList, make, mark, say } from "./dom.js";
import { counter, figure } from "./flow.js";
import { amount, capital, count, duration, percent, scaled, timeOfDay, words } from "./format.js";

/** @typedef {import("./live.js").State} State */
/** @typedef {import("./live.js").NodeEvent} NodeEvent */
/** @typedef {State["modules"][number]} Module */
/** @typedef {State["alarms"][number]} Alarm */

const mostEvents = 100;

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
  const age = `since ${timeOfDay(since)}, ${duration(t - since)}`;
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
  );
}

/** @param {number} n */
function plain(n) {
  return Number(n.toPrecision(4)).toString();
}

/** @param {Element} element @param {Alarm} alarm @param {number} now */
function updateAlarm(element, alarm, now) {
  mark(element, "data-severity", alarm.severity);
  const query = (/** @type {string} */ what) =>
    /** @type {Element} */ (element.querySelector(what));
  say(query("header b"), `${capital(alarm.severity)} · ${alarm.object}`);
  const since = Date.parse(alarm.raised);
  say(query("header span"), `since ${timeOfDay(since)}, ${duration(now - since)}`);
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
}

/** Alarms that were told aloud, by identity and severity. @type {Set<string>} */
let told = new Set();

/** @param {State} state */
export function showAlarms({ alarms, t }) {
  const worst = alarms[0]?.severity;
  const grave = worst === "critical" || worst === "major";
  mark(byId("alarms"), "data-level", worst === undefined ? "good" : grave ? "bad" : "attention");
  say(byId("alarm-count"), String(alarms.length));
  byId("no-alarms").hidden = alarms.length > 0;
  keepList(
    byId("alarm-list"),
    alarms,
    ({ alarm }) => alarm,
    createAlarm,
    (element, alarm) => updateAlarm(element, alarm, t),
  );
  const now = new Set(alarms.map(({ alarm, severity }) => `${alarm} ${severity}`));
  for (const { alarm, severity, object, text } of alarms) {
    if (told.has(`${alarm} ${severity}`)) continue;
    byId("announce").replaceChildren(`Alarm, ${severity}, ${object}: ${text}`);
  }
  told = now;
}

/** @type {NodeEvent[]} */
let events = [];

/** After a restart the node counts anew. */
export function forgetEvents() {
  events = [];
}

/** @type {Readonly<Record<string, [string, string]>>} */
const eventWords = {
  module_up: ["Module connected", "good"],
  module_down: ["Module lost", "bad"],
  km_up: ["KM connected", "good"],
  km_down: ["KM lost", "bad"],
  key_withheld: ["Block withheld", "attention"],
  key_quarantined: ["Key in quarantine", "bad"],
  block_damaged: ["Block damaged on the line", "attention"],
  block_empty: ["Block without key", ""],
  ledger_failed: ["Ledger cannot be written", "bad"],
  ledger_mended: ["Ledger can be written again", "good"],
  node_tamper: ["Chassis opened", "bad"],
  node_tamper_cleared: ["Tampering cleared", "good"],
  node_zeroize: ["All modules told to destroy their key", "bad"],
  module_zeroized: ["Module destroyed its key", "bad"],
  configuration_unsigned: ["Configuration was provisioned unsigned", "attention"],
  update_installed: ["Update installed", "good"],
  update_refused: ["Update refused", "attention"],
};

/** @type {Readonly<Record<string, string>>} */
const withheldWords = {
  qber: "QBER above the limit",
  no_qber: "without a QBER",
  operator: "somebody named it",
  ledger_repaired: "of before the ledger was repaired",
  replayed: "the module had let go of it before",
  past_unknown: "too old to know what became of it",
};

/** @param {NodeEvent} event @returns {[string, string, string]} title, facts, level */
function describe({ type, module, facts }) {
  if (type.startsWith("alarm_")) {
    const change = words(type.slice("alarm_".length));
    const grave = facts.severity === "critical" || facts.severity === "major";
    const level = change === "cleared" ? "good" : grave ? "bad" : "attention";
    const detail = facts.detail === undefined ? "" : `, ${facts.detail}`;
    return [
      `Alarm ${change}: ${words(String(facts.name))}`,
      `${facts.object}${change === "cleared" ? "" : `, ${facts.severity}`}${detail}`,
      level,
    ];
  }
  if (type === "module_event") {
    const over = facts.severity === "cleared" || facts.severity === "indeterminate";
    const level = over ? "" : "attention";
    return [`Module says: ${facts.text || facts.code}`, `${module}, ${facts.severity}`, level];
  }
  if (type === "node_maintenance") {
    return ["Key switch turned", facts.on === true ? "to maintenance" : "to operation", ""];
  }
  if (type === "maintenance_session") {
    return ["Maintenance console", facts.on === true ? "session begins" : "session is over", ""];
  }
  const [title, level] = eventWords[type] ?? [capital(words(type)), ""];
  if (type === "key_withheld" || type === "block_empty") {
    const { qber } = facts;
    const measured = typeof qber === "number" ? `, QBER ${percent(qber)}` : "";
    const why = withheldWords[String(facts.reason)] ?? "";
    return [
      why === "" ? title : `${title}: ${why}`,
      `${module}, block ${facts.sequence ?? facts.block}${measured}; the last of its kind`,
      level,
    ];
  }
  const rest = Object.entries(facts).map(([name, value]) =>
    name === "reason" ? String(value) : `${words(name)} ${value}`,
  );
  return [title, [module ?? "", ...rest].filter((text) => text !== "").join(", "), level];
}

/** @param {NodeEvent} event */
function kindOf({ type, module }) {
  return `${type} ${module}`;
}

/** @param {State} state */
export function showEvents(state) {
  const last = events.at(-1)?.sequence ?? 0;
  const fresh = state.events.filter(({ sequence }) => sequence > last);
  if (fresh.length === 0 && events.length > 0) return;
  // Of routine events the last one of each kind: there may be many a second.
  const kinds = new Set(fresh.filter(({ routine }) => routine).map(kindOf));
  const kept = events.filter((event) => !event.routine || !kinds.has(kindOf(event)));
  const seen = fresh.filter((event, i) => {
    const later = fresh.slice(i + 1);
    return !event.routine || !later.some((one) => one.routine && kindOf(one) === kindOf(event));
  });
  events = [...kept, ...seen].slice(-mostEvents);
  keepList(
    byId("event-list"),
    events.toReversed(),
    ({ sequence }) => `${state.node.started} ${sequence}`,
    (event) => {
      const [title, facts, level] = describe(event);
      const stamp = new Date(event.at).toISOString();
      return make(
        "li",
        { "data-level": level },
        make("time", { datetime: stamp, title: stamp }, timeOfDay(event.at)),
        make("span", { class: "dot", "aria-hidden": "true" }),
        make("span", {}, `${title} `, make("small", {}, facts)),
      );
    },
  );
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
