// What every page has around its panels: theme, zone, windows, what is saved, and whether the program answers.
import { chooseWindow, loadHistory, repaint, rezone } from "./charts.js";
import { byId, mark, say } from "./dom.js";
import { forgetEvents, redrawEvents } from "./events.js";
import { saveCsv, savePng } from "./export.js";
import { watchProgram } from "./live.js";
import { hasZone, moment, switchZone, timeOfDay, zoneOf } from "./time.js";

/**
 * @template State
 * @typedef {object} Shell
 * @property {string} called the program, for a person: `the node`
 * @property {string} unnamed how the page is called before the program has said who it is
 * @property {(state: State) => string} id whose the page is
 * @property {(state: State) => number} started when the process began, ms since 1970
 * @property {(state: State) => void} show
 */

/**
 * Shows what the program sends, for as long as the page is open.
 * @template {{ t: number }} State
 * @param {Shell<State>} shell
 * @returns {() => void} shows the same state once more
 */
export function openShell({ called, unnamed, id, started, show }) {
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
      // Another process: its events and its history are its own.
      forgetEvents();
      void loadHistory();
    }
    state = next;
    show(next);
    mark(document.body, "data-link", "live");
    say(byId("live-text"), `Live ${timeOfDay(next.t)} ${zoneOf(next.t)}`);
    say(byId("plots-zone"), zoneOf(next.t));
    if (began) performance.mark("first-state");
  }

  /** @param {number | undefined} since */
  function link(since) {
    const banner = byId("lost");
    banner.hidden = since === undefined;
    if (since === undefined) {
      lost = false;
      // What was missed is asked for.
      void loadHistory();
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

  byId("windows").addEventListener("click", ({ target }) => {
    const button = target instanceof Element ? target.closest("button") : null;
    const window = button?.dataset.window;
    if (window === undefined) return;
    for (const one of byId("windows").querySelectorAll("button"))
      mark(one, "aria-pressed", String(one === button));
    chooseWindow(window);
  });

  byId("csv").addEventListener("click", () => saveCsv());
  byId("png").addEventListener("click", () => {
    if (state !== undefined) savePng(id(state), state.t);
  });

  const zone = byId("zone");
  zone.hidden = !hasZone();
  zone.addEventListener("click", () => {
    switchZone();
    redrawEvents();
    rezone();
    again();
  });

  const dark = matchMedia("(prefers-color-scheme: dark)");
  dark.addEventListener("change", repaint);
  byId("theme").addEventListener("click", () => {
    const root = document.documentElement;
    const now = root.dataset.theme ?? (dark.matches ? "dark" : "light");
    root.dataset.theme = now === "dark" ? "light" : "dark";
    localStorage.setItem("theme", root.dataset.theme);
    repaint();
  });

  // Without TLS there is no login.
  byId("logout").hidden = location.protocol !== "https:";

  watchProgram(seen, link);
  return again;
}
