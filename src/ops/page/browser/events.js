// Recent events and the log, and the search in both.
import { byId, fill, keepList, make, mark, say } from "./dom.js";
import { capital, counted, words } from "./format.js";
import { received } from "./received.js";
import { dateOf, moment, stamp, timeOfDay, zoneOf } from "./time.js";

/** @typedef {import("./live.js").PageEvent} PageEvent */
/** @typedef {{ t: number, started: number, events: readonly PageEvent[] }} Seen */

const mostEvents = 100;
/** So many events the program still knows, and so many routine ones beside them. */
const mostKnown = 512;
/** How often the log is asked for while it is shown, ms. */
const logEveryMs = 2_000;
/** After the last letter of a search, ms. */
const typingMs = 250;

/** @type {PageEvent[]} */
let events = [];
/** Every event that the program still knows, while something is searched for. @type {PageEvent[] | undefined} */
let all;
/** Some of them were not told. */
let isMissing = false;
let allAskedAt = 0;
/** @type {"events" | "log"} */
let shown = "events";
let search = "";
/** @type {Seen | undefined} */
let state;
/** @type {ReturnType<typeof setTimeout> | undefined} */
let timer;
let asked = 0;

/** After a restart events are counted anew. */
export function forgetEvents() {
  events = [];
  all = undefined;
}

/** Severities have one colour each, the alarms' own. */
const severities = ["critical", "major", "minor", "warning"];

/**
 * The severity among an event's facts.
 * @param {PageEvent} event
 */
export function severityOf({ facts }) {
  return severities.find((one) => one === facts.severity);
}

/** @typedef {{ title: string, more: string, level?: string | undefined, severity?: string }} Told */

/** What a program's events are called. @type {(event: PageEvent) => Told} */
let describeOther = ({ type }) => ({ title: capital(words(type)), more: "" });

/** @param {(event: PageEvent) => Told} describe all events but those of alarms */
export function describeEventsBy(describe) {
  describeOther = describe;
}

/** @param {PageEvent} event @returns {Told} */
function describe(event) {
  const { type, facts } = event;
  if (!type.startsWith("alarm_")) return describeOther(event);
  const change = words(type.slice("alarm_".length));
  const detail = facts.detail === undefined ? "" : `, ${facts.detail}`;
  const over = change === "cleared";
  const title = `Alarm ${change}: ${words(String(facts.name))}`;
  const more = `${facts.object}${over ? "" : `, ${facts.severity}`}${detail}`;
  if (over) return { title, more, level: "good" };
  return { title, more, severity: severityOf(event) ?? "warning" };
}

/**
 * An event by a table of words, with its facts beside it.
 * @param {PageEvent} event
 * @param {Readonly<Record<string, readonly [title: string, level: string]>>} table
 * @returns {Told}
 */
export function plainEvent({ type, module, facts }, table) {
  const [title, level] = table[type] ?? [capital(words(type)), ""];
  const rest = Object.entries(facts).map(([name, value]) =>
    name === "reason" ? String(value) : `${words(name)} ${value}`,
  );
  return { title, more: [module ?? "", ...rest].filter((text) => text !== "").join(", "), level };
}

/** @param {PageEvent} event */
function kindOf({ type, module }) {
  return `${type} ${module}`;
}

/** @param {readonly PageEvent[]} list oldest first @param {number} now */
function list(list, now) {
  keepList(
    byId("event-list"),
    list.toReversed(),
    ({ sequence }) => `${state?.started} ${sequence} ${zoneOf(now)}`,
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

/** @param {PageEvent} event */
function found(event) {
  const { title, more } = describe(event);
  return `${title} ${more} ${event.type}`.toLowerCase().includes(search.toLowerCase());
}

/** @param {Seen} next */
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
  if (all !== undefined) {
    const newest = all.at(-1)?.sequence ?? 0;
    const later = fresh.filter(({ sequence }) => sequence > newest);
    // Of many at once, as after a connection that was away, only the last are told.
    isMissing ||= later.length < (later.at(-1)?.sequence ?? newest) - newest;
    all = joined(all, later);
    if (isMissing && performance.now() - allAskedAt > logEveryMs) void askEvents();
  }
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

/**
 * Both, oldest first and each once, as many as the program knows: a page may be open for weeks.
 * @param {readonly PageEvent[]} before @param {readonly PageEvent[]} after
 */
function joined(before, after) {
  const newest = before.at(-1)?.sequence ?? 0;
  const both = [...before, ...after.filter(({ sequence }) => sequence > newest)];
  const last = (/** @type {boolean} */ routine) =>
    both.filter((event) => event.routine === routine).slice(-mostKnown);
  const kept = new Set([...last(true), ...last(false)]);
  return both.filter((event) => kept.has(event));
}

async function askEvents() {
  allAskedAt = performance.now();
  isMissing = false;
  const started = state?.started;
  try {
    const answer = await fetch("/api/events");
    const told = answer.ok ? received(await answer.text()).events : undefined;
    // A program that began anew meanwhile counts from 1.
    const isAnew = started !== undefined && state?.started !== started;
    // It may come too late for its search. What came meanwhile may not be in the answer.
    if (told !== undefined && search !== "" && !isAnew) all = joined(told, events);
  } catch {
    // It is away: what is here is searched.
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
    const { found: number, lines } = received(await answer.text());
    /** @typedef {{ sequence: number, line: string }} Line */
    keepList(
      byId("log-list"),
      /** @type {Line[]} */ (lines).toReversed(),
      ({ sequence }) => `${state?.started} ${sequence}`,
      ({ line }) => make("li", { "data-level": levelOf(line) }, inZone(line)),
    );
    const zone = zoneOf(state?.t ?? Date.now());
    say(
      byId("found"),
      `${counted(number, "line")}${search === "" ? "" : " found"}, times in ${zone}`,
    );
  } catch {
    // It is away: what is here stays.
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
