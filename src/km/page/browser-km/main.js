// A key manager's page: shows what it sends, for the link that was chosen.
import { describeEventsBy, showEvents } from "./events.js";
import { showFlow } from "./flow.js";
import { showFigures, showHeader, showKmAlarms, showVerdict } from "./panels.js";
import { past } from "./past.js";
import { showPlots } from "./plots.js";
import { openShell } from "./shell.js";
import { showDetails, showMatching } from "./tables.js";
import { showTabs } from "./tabs.js";
import { describeEvent } from "./words.js";

/** @typedef {import("./state.js").State} State */

let selected = "";

describeEventsBy(describeEvent);

const again = openShell({
  called: "the key manager",
  unnamed: "Key manager",
  id: ({ km }) => km.id,
  started: ({ km }) => km.started,
  show,
  past,
});

/** @param {string} name */
function select(name) {
  selected = name;
  again();
}

/** @param {State} state */
function show(state) {
  const link = state.links.find(({ name }) => name === selected) ?? state.links[0];
  showHeader(state);
  showTabs(state.links, link?.name ?? "", select);
  showVerdict(link, state);
  showFigures(link, state);
  showKmAlarms(state);
  showEvents({ t: state.t, started: state.km.started, events: state.events });
  showDetails(link, state);
  if (link === undefined) return;
  selected = link.name;
  showFlow(link, state);
  showMatching(link);
  showPlots(link, state);
}
