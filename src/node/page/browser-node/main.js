// A node's page: shows what the node sends, for the module that was chosen.
import { describeEventsBy, showEvents } from "./events.js";
import { showFlow } from "./flow.js";
import { showIdentity, showTelemetry } from "./module.js";
import { showFigures, showHeader, showNodeAlarms, showVerdict } from "./panels.js";
import { past } from "./past.js";
import { showPlots } from "./plots.js";
import { openShell } from "./shell.js";
import { showTabs } from "./tabs.js";
import { describeEvent } from "./words.js";

/** @typedef {import("./state.js").State} State */

let selected = "";

describeEventsBy(describeEvent);

const again = openShell({
  called: "the node",
  unnamed: "QKD node",
  id: ({ node }) => node.id,
  started: ({ node }) => node.started,
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
  const module = state.modules.find(({ name }) => name === selected) ?? state.modules[0];
  if (module === undefined) return;
  selected = module.name;
  showHeader(state);
  showTabs(state.modules, selected, select);
  showVerdict(module, state);
  showFigures(module);
  showFlow(module);
  showNodeAlarms(state);
  showEvents({ t: state.t, started: state.node.started, events: state.events });
  showTelemetry(module);
  showIdentity(module, state);
  showPlots(module, state);
}
