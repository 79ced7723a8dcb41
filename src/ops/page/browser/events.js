// Recent events and the log, and the search in both.
import { byId, fill, keepList, make, mark, say } from "./dom.js";
import { capital, counted, percent, words } from "./format.js";
import { dateOf, moment, stamp, timeOfDay, zoneOf } from "./time.js";

/** @typedef {import("./live.js").State} State */
/** @typedef {import("./live.js").NodeEvent} NodeEvent */

const mostEvents = 100;
/** How often the log is asked for while it is shown, ms. */
const logEveryMs = 2_000;
/** After the last letter of a search, ms. */
const typingMs = 250;

/** @type {NodeEvent[]} */
let events = [];
/** Every event that the node still knows, while something is searched for. @type {NodeEvent[] | undefined} */
let all;
/** @type {"events" | "log"} */
let shown = "events";
let search = "";
/** @type {State | undefined} */
let state;
/** @type {ReturnType<typeof setTimeout> | undefined} */
let timer;
let asked = 0;

/** After a restart the node counts anew. */
export function forgetEvents() {
  events = [];
  all = undefined;
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

/** Severities have one colour each, the alarms' own. */
const severities = ["critical", "major", "minor", "warning"];

/**
 * @param {NodeEvent} event
 * @returns {{ title: string, more: string, level?: string, severity?: string }}
 */
function describe({ type, module, facts }) {
  const severity = severities.find((one) => one === facts.severity);
  if (type.startsWith("alarm_")) {
    const change = words(type.slice("alarm_".length));
    const detail = facts.detail === undefined ? "" : `, ${facts.detail}`;
    const over = change === "cleared";
    const title = `Alarm ${change}: ${words(String(facts.name))}`;
    const more = `${facts.object}${over ? "" : `, ${facts.severity}`}${detail}`;
    return over ? { title, more, level: "good" } : { title, more, severity: severity ?? "warning" };
  }
  if (type === "module_event") {
    const title = `Module says: ${facts.text || facts.code}`;
    const more = `${module}, ${facts.severity}`;
    return severity === undefined ? { title, more } : { title, more, severity };
  }
  if (type === "node_maintenance") {
    return {
      title: "Key switch turned",
      more: facts.on === true ? "to maintenance" : "to operation",
    };
  }
  if (type === "maintenance_session") {
    return {
      title: "Maintenance console",
      more: facts.on === true ? "session begins" : "session is over",
    };
  }
  const [title, level] = eventWords[type] ?? [capital(words(type)), ""];
  if (type === "key_withheld" || type === "block_empty") {
    const { qber } = facts;
    const measured = typeof qber === "number" ? `, QBER ${percent(qber)}` : "";
    const why = withheldWords[String(facts.reason)];
    const more = `${module}, block ${facts.sequence ?? facts.block}${measured}; the last of its kind`;
    return { title: why === undefined ? title : `${title}: ${why}`, more, level };
  }
  const rest = Object.entries(facts).map(([name, value]) =>
    name === "reason" ? String(value) : `${words(name)} ${value}`,
  );
  return { title, more: [module ?? "", ...rest].filter((text) => text !== "").join(", "), level };
}

/** @param {NodeEvent} event */
function kindOf({ type, module }) {
  return `${type} ${module}`;
}

/** @param {readonly NodeEvent[]} list oldest first @param {number} now */
function list(list, now) {
  keepList(
    byId("event-list"),
    list.toReversed(),
    ({ sequence }) => `${state?.node.started} ${sequence} ${zoneOf(now)}`,
    (event) => {
      const { title, more, level = "", severity } = describe(event);
      return make(
        "li",
        severity === undefined ? { "data-level": level } : { "data-severity": severity },
        make(
          "time",
          { datetime: new Date(event.at).toISOString(), title: stamp(event.at) },
          moment(event.at, now),
        ),
        make("span", { class: "dot", "aria-hidden": "true" }),
        make("span", {}, `${title} `, make("small", {}, more)),
      );
    },
  );
}

/** @param {NodeEvent} event */
function found(event) {
  const { title, more } = describe(event);
  return `${title} ${more} ${event.type}`.toLowerCase().includes(search.toLowerCase());
}

/** @param {State} next */
export function showEvents(next) {
  state = next;
  const last = events.at(-1)?.sequence ?? 0;
  const fresh = next.events.filter(({ sequence }) => sequence > last);
  // Of routine events the last one of each kind: there may be many a second.
  const kinds = new Set(fresh.filter(({ routine }) => routine).map(kindOf));
  const kept = events.filter((event) => !event.routine || !kinds.has(kindOf(event)));
  const seen = fresh.filter((event, i) => {
    const later = fresh.slice(i + 1);
    return !event.routine || !later.some((one) => one.routine && kindOf(one) === kindOf(event));
  });
  events = [...kept, ...seen].slice(-mostEvents);
  const newest = all?.at(-1)?.sequence ?? 0;
  all?.push(...fresh.filter(({ sequence }) => sequence > newest));
  draw();
}

/** Draws the events, if they are shown; the log draws itself when it has come. */
function draw() {
  if (state === undefined || shown !== "events") return;
  const matching = search === "" ? events : (all ?? events).filter(found);
  list(matching.slice(-mostEvents), state.t);
  const note = search === "" ? "" : `${counted(matching.length, "event")} found`;
  say(byId("found"), note === "" ? `times in ${zoneOf(state.t)}` : note);
}

async function askEvents() {
  try {
    const answer = await fetch("/api/events");
    if (answer.ok) all = (await answer.json()).events;
  } catch {
    // The node is away: what is here is searched.
  }
  draw();
}

/** @param {string} line */
function levelOf(line) {
  const [, level = ""] = /\blevel=(\w+)/.exec(line) ?? [];
  return level === "error" ? "bad" : level === "warn" ? "attention" : "";
}

/** The line with the page's own time before it, as every other time here. @param {string} line */
function inZone(line) {
  const [whole = "", at = ""] = /^ts=(\S+) /.exec(line) ?? [];
  const ms = Date.parse(at);
  return Number.isNaN(ms) ? line : `${dateOf(ms)} ${timeOfDay(ms)}  ${line.slice(whole.length)}`;
}

async function askLog() {
  const mine = ++asked;
  try {
    const answer = await fetch(`/api/log?${new URLSearchParams({ search })}`);
    if (!answer.ok || mine !== asked || shown !== "log") return;
    const { found: number, lines } = await answer.json();
    /** @typedef {{ sequence: number, line: string }} Line */
    keepList(
      byId("log-list"),
      /** @type {Line[]} */ (lines).toReversed(),
      ({ sequence }) => `${state?.node.started} ${sequence}`,
      ({ line }) => make("li", { "data-level": levelOf(line) }, inZone(line)),
    );
    const zone = zoneOf(state?.t ?? Date.now());
    say(
      byId("found"),
      `${counted(number, "line")}${search === "" ? "" : " found"}, times in ${zone}`,
    );
  } catch {
    // The node is away: what is here stays.
  }
}

function look() {
  clearTimeout(timer);
  mark(byId("event-list"), "data-shown", String(shown === "events"));
  byId("event-list").hidden = shown !== "events";
  byId("log-list").hidden = shown !== "log";
  if (shown === "log") {
    void askLog();
    timer = setTimeout(look, logEveryMs);
  } else if (search !== "" && all === undefined) {
    void askEvents();
  } else {
    draw();
  }
}

byId("records").addEventListener("click", ({ target }) => {
  const button = target instanceof Element ? target.closest("button") : null;
  const which = button?.dataset.records;
  if (which !== "events" && which !== "log") return;
  shown = which;
  for (const one of byId("records").querySelectorAll("button"))
    mark(one, "aria-pressed", String(one === button));
  look();
});

byId("search").addEventListener("input", ({ target }) => {
  search = target instanceof HTMLInputElement ? target.value.trim() : "";
  if (search === "") all = undefined;
  clearTimeout(timer);
  timer = setTimeout(look, typingMs);
});

/** Times are shown in another zone. */
export function redrawEvents() {
  fill(byId("event-list"));
  draw();
}
