// What the controller changed, and why: the newest first.
import { byId, keepList, make, mark, say } from "./dom.js";
import { capital, count } from "./format.js";
import { between, byKm, nameOf } from "./names.js";
import { moment, stamp, zoneOf } from "./time.js";

/** @typedef {import("./state.js").State} State */
/** @typedef {State["changes"][number]} Change */

let ofChoice = false;

byId("of-choice").addEventListener("click", (event) => {
  ofChoice = !ofChoice;
  mark(/** @type {Element} */ (event.currentTarget), "aria-pressed", String(ofChoice));
  byId("change-list").dispatchEvent(new Event("filter", { bubbles: true }));
});

/** @param {number} ms */
const inMs = (ms) =>
  ms < 1_000 ? `${count(Math.round(ms))}\u00a0ms` : `${(ms / 1_000).toFixed(1)}\u00a0s`;

/** What a change is about, if it can be chosen. @param {Change} change @param {State} state */
function kindOf({ kind, object }, { nodes, links, pairs }) {
  if (kind === "reroute" && pairs.some(({ pair }) => pair === object)) return "pair";
  if (links.some(({ link }) => link === object)) return "link";
  if (nodes.some(({ km }) => km === object)) return "node";
  return pairs.some(({ pair }) => pair === object) ? "pair" : "";
}

/** @param {string} what @param {string} object @param {State} state */
function called(what, object, { nodes, links, pairs }) {
  const known = byKm(nodes);
  if (what === "node") return nameOf(known, object);
  const ends =
    what === "pair"
      ? pairs.find(({ pair }) => pair === object)
      : links.find(({ link }) => link === object);
  return ends === undefined ? object : between(known, ends);
}

/** @param {State} state @param {readonly string[]} chosen IDs of what is chosen */
export function showChanges(state, chosen) {
  const { changes, t } = state;
  const filtered = ofChoice && chosen.length > 0;
  const list = filtered ? changes.filter(({ object }) => chosen.includes(object)) : changes;
  say(byId("changes-zone"), zoneOf(t));
  byId("no-changes").hidden = list.length > 0;
  byId("change-list").hidden = list.length === 0;
  keepList(
    byId("change-list"),
    list,
    ({ at, kind, object, text }) => `${at} ${kind} ${object} ${text} ${zoneOf(t)}`,
    (change) => {
      const { at, kind, object, text, after_ms } = change;
      const what = kindOf(change, state);
      const name =
        what === ""
          ? make("b", {}, object)
          : make(
              "button",
              { type: "button", class: "name", "data-kind": what, "data-id": object },
              called(what, object, state),
            );
      const after = after_ms === undefined ? "" : `${inMs(after_ms)} after its cause`;
      return make(
        "li",
        { "data-change": kind },
        make("time", { datetime: new Date(at).toISOString(), title: stamp(at) }, moment(at, t)),
        make("span", {}, make("span", { class: "kind" }, capital(kind)), " ", name),
        make("p", {}, text, after === "" ? "" : make("small", { class: "dim" }, ` ${after}`)),
      );
    },
  );
}
