// The verdict: one headline, since when, and what to do about it.
import { byId, fill, make, say } from "./dom.js";
import { capital, duration } from "./format.js";
import { moment, zoneOf } from "./time.js";

/** @typedef {"good" | "waiting" | "attention" | "bad"} Level */
/** @typedef {{ level: Level, text: string, action: string, since?: number }} Condition */

const shapes = {
  good: '<circle cx="12" cy="12" r="10" fill="none" stroke="currentColor" stroke-width="2"/><path d="M7.5 12.5l3 3 6-7" fill="none" stroke="currentColor" stroke-width="2.4" stroke-linecap="round" stroke-linejoin="round"/>',
  attention:
    '<path d="M12 3L22 20.5H2z" fill="none" stroke="currentColor" stroke-width="2" stroke-linejoin="round"/><path d="M12 9.5v5M12 17.4v.2" stroke="currentColor" stroke-width="2.4" stroke-linecap="round"/>',
  waiting:
    '<circle cx="12" cy="12" r="10" fill="none" stroke="currentColor" stroke-width="2"/><path d="M12 6.5V12l4 2.5" fill="none" stroke="currentColor" stroke-width="2.2" stroke-linecap="round" stroke-linejoin="round"/>',
  bad: '<path d="M8 2h8l6 6v8l-6 6H8l-6-6V8z" fill="none" stroke="currentColor" stroke-width="2" stroke-linejoin="round"/><path d="M8.5 8.5l7 7M15.5 8.5l-7 7" stroke="currentColor" stroke-width="2.4" stroke-linecap="round"/>',
};

/** A line of what waits for a person. @param {(Node | string)[]} parts */
export function todo(...parts) {
  return make("p", { class: "todo" }, ...parts);
}

/**
 * @param {Condition} condition @param {number} t the program's time
 * @param {{ detail?: string, more?: readonly Node[] }} [beside] what else is wrong, what else is to do
 */
export function showCondition({ level, text, action, since }, t, { detail = "", more = [] } = {}) {
  const panel = byId("verdict");
  if (panel.dataset.level !== level) {
    panel.dataset.level = level;
    byId("verdict-icon").innerHTML =
      `<svg viewBox="0 0 24 24" aria-hidden="true">${shapes[level]}</svg>`;
  }
  say(byId("verdict-text"), text);
  const age =
    since === undefined ? "" : `since ${moment(since, t)} ${zoneOf(since)}, ${duration(t - since)}`;
  say(byId("verdict-detail"), [age, detail].filter((part) => part !== "").join(". "));
  const own = level === "good" || action === "" ? [] : [`${capital(action)}.`];
  fill(
    byId("verdict-todo"),
    ...own.map((what) => todo(make("b", {}, "What to do: "), what)),
    ...more,
  );
}

/**
 * How it is in the browser's own tab: how many alarms, of what, and the headline.
 * @param {number} alarms @param {string} where @param {string} text
 */
export function showTitle(alarms, where, text) {
  const title = `${alarms === 0 ? "" : `(${alarms}) `}${where}: ${text}`;
  if (document.title !== title) document.title = title;
}
