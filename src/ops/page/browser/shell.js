// What every page has around its panels: theme, zone, and whether the program answers.
import { byId, mark, say } from "./dom.js";
import { watchProgram } from "./live.js";
import { hasZone, moment, switchZone, timeOfDay, zoneOf } from "./time.js";

/**
 * What a page shows of the past.
 * @typedef {object} Past
 * @property {() => void} forget another process: its events and its history are its own
 * @property {() => void} ask what was missed is asked for
 * @property {() => void} repaint colours are others
 * @property {() => void} rezone times are shown in another zone
 * @property {(id: string, t: number) => void} seen whose page it is, and the program's time
 */

/** @type {Past} */
const nothing = { forget() {}, ask() {}, repaint() {}, rezone() {}, seen() {} };

/**
 * @template State
 * @typedef {object} Shell
 * @property {string} called the program, for a person: `the node`
 * @property {string} unnamed how the page is called before the program has said who it is
 * @property {(state: State) => string} id whose the page is
 * @property {(state: State) => number} started when the process began, ms since 1970
 * @property {(state: State) => void} show
 * @property {Past} [past]
 */

/**
 * Shows what the program sends, for as long as the page is open.
 * @template {{ t: number }} State
 * @param {Shell<State>} shell
 * @returns {() => void} shows the same state once more
 */
export function openShell({ called, unnamed, id, started, show, past = nothing }) {
  /** @type {State | undefined} */
  let state;
  let lost = false;

  const again = () => {
    if (state !== undefined) show(state);
  };

  /** @param {State} next */
  function seen(next) {
    const began = state === undefined;
    if (state !== undefined && started(state) !== started(next)) {
      past.forget();
    }
    state = next;
    show(next);
    mark(document.body, "data-link", "live");
    say(byId("live-text"), `Live ${timeOfDay(next.t)} ${zoneOf(next.t)}`);
    past.seen(id(next), next.t);
    if (began) performance.mark("first-state");
  }

  /** @param {number | undefined} since */
  function link(since) {
    const banner = byId("lost");
    banner.hidden = since === undefined;
    if (since === undefined) {
      lost = false;
      past.ask();
      return;
    }
    mark(document.body, "data-link", "lost");
    say(byId("live-text"), "No connection");
    // Said once, not each second; by the program's clock, as all times here.
    if (!lost) {
      const at = state?.t ?? since;
      const when = `${moment(at, at)} ${zoneOf(at)}`;
      say(banner, `No connection to ${called} since ${when}. What is shown is old. Trying again.`);
    }
    lost = true;
    document.title = `No connection: ${state === undefined ? unnamed : id(state)}`;
  }

  const zone = byId("zone");
  zone.hidden = !hasZone();
  zone.addEventListener("click", () => {
    switchZone();
    past.rezone();
    again();
  });

  const dark = matchMedia("(prefers-color-scheme: dark)");
  dark.addEventListener("change", () => past.repaint());
  matchMedia("print").addEventListener("change", () => past.repaint());
  byId("theme").addEventListener("click", () => {
    const root = document.documentElement;
    const now = root.dataset.theme ?? (dark.matches ? "dark" : "light");
    root.dataset.theme = now === "dark" ? "light" : "dark";
    localStorage.setItem("theme", root.dataset.theme);
    past.repaint();
  });

  // Without TLS there is no login.
  byId("logout").hidden = location.protocol !== "https:";

  watchProgram(seen, link);
  return again;
}
