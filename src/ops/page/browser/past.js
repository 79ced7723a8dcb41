// What a page shows of the past: figures over time with their windows, events, and what is saved of them.
import { chooseWindow, loadHistory, repaint, rezone } from "./charts.js";
import { byId, mark, say } from "./dom.js";
import { forgetEvents, redrawEvents } from "./events.js";
import { saveCsv, savePng } from "./export.js";
import { zoneOf } from "./time.js";

/** @type {{ id: string, t: number } | undefined} */
let last;

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
  if (last !== undefined) savePng(last.id, last.t);
});

/** @type {import("./shell.js").Past} */
export const past = {
  forget() {
    forgetEvents();
    void loadHistory();
  },
  ask: () => void loadHistory(),
  repaint,
  rezone() {
    redrawEvents();
    rezone();
  },
  seen(id, t) {
    last = { id, t };
    say(byId("plots-zone"), zoneOf(t));
  },
};
