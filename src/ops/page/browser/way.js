// The way of the keys: stops, and what moves between them.
import { byId, make, mark, say } from "./dom.js";

/** @param {string} title @param {string} state @param {string} level @param {string[]} lines */
export function stop(title, state, level, lines) {
  return [
    make(
      "h3",
      {},
      title,
      make("span", { class: "state", "data-level": level }, make("span", { class: "dot" }), state),
    ),
    ...lines.filter((line) => line !== "").map((line) => make("p", {}, line)),
  ];
}

/**
 * @param {string} id @param {boolean} flows @param {boolean} broken
 * @param {string} rate @param {string} note
 */
export function hop(id, flows, broken, rate, note) {
  const element = byId(id);
  mark(element, "data-flow", flows && !broken ? "on" : "off");
  mark(element, "data-level", broken ? "bad" : "good");
  if (element.children.length === 0) {
    // Made once: the pipe would start anew each second.
    const pipe = make("span", { class: "pipe", "aria-hidden": "true" });
    element.append(make("strong"), pipe, make("span", { class: "dim" }));
  }
  say(/** @type {Element} */ (element.firstElementChild), rate);
  say(/** @type {Element} */ (element.lastElementChild), note);
}
