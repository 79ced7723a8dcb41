// The page: shows what the node sends, for the module that was chosen.
import { byId, mark, say } from "./dom.js";
import { forgetEvents, redrawEvents, showEvents } from "./events.js";
import { saveCsv, savePng } from "./export.js";
import { showIdentity, showTelemetry } from "./facts.js";
import { showFlow } from "./flow.js";
import { watchNode } from "./live.js";
import { showAlarms, showFigures, showHeader, showTabs, showVerdict } from "./panels.js";
import { chooseWindow, loadHistory, repaint, rezone, showPlots } from "./plots.js";
import { hasZone, moment, switchZone, timeOfDay, zoneOf } from "./time.js";

/** @typedef {import("./live.js").State} State */

/** @type {State | undefined} */
let state;
let selected = "";
let lost = false;

/** @param {string} name */
function select(name) {
  selected = name;
  if (state !== undefined) show(state);
}

/** @param {State} next */
function show(next) {
  const began = state === undefined;
  if (state !== undefined && state.node.started !== next.node.started) {
    // Another process: its events and its history are its own.
    forgetEvents();
    void loadHistory();
  }
  state = next;
  const module = next.modules.find(({ name }) => name === selected) ?? next.modules[0];
  if (module === undefined) return;
  selected = module.name;
  showHeader(next);
  showTabs(next, selected, select);
  showVerdict(module, next);
  showFigures(module);
  showFlow(module);
  showAlarms(next);
  showEvents(next);
  showTelemetry(module);
  showIdentity(module, next);
  showPlots(module, next);
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
  // Said once, not each second; by the node's clock, as all times here.
  if (!lost) {
    const at = state?.t ?? since;
    const when = `${moment(at, at)} ${zoneOf(at)}`;
    say(banner, `No connection to the node since ${when}. What is shown is old. Trying again.`);
  }
  lost = true;
  document.title = `No connection: ${state?.node.id ?? "QKD node"}`;
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
  if (state !== undefined) savePng(state.node.id, state.t);
});

const zone = byId("zone");
zone.hidden = !hasZone();
zone.addEventListener("click", () => {
  switchZone();
  redrawEvents();
  rezone();
  if (state !== undefined) show(state);
});

byId("modules").addEventListener("keydown", (event) => {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  const names = state?.modules.map(({ name }) => name) ?? [];
  if (step === undefined || names.length === 0) return;
  const next = (names.indexOf(selected) + step + names.length) % names.length;
  select(names[next] ?? "");
  const tab = byId("modules").children[next];
  if (tab instanceof HTMLElement) tab.focus();
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

watchNode(show, link);
