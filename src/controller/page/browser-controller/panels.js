// Header, verdict and the four figures.
import { showAlarms } from "./alarms.js";
import { showCondition, showTitle } from "./condition.js";
import { byId, say } from "./dom.js";
import { showFigure } from "./figures.js";
import { count, counted, duration } from "./format.js";

/** @typedef {import("./state.js").State} State */

/** @param {State} state */
export function showHeader({ t, controller }) {
  const { id, version, started, role, mode } = controller;
  say(byId("own-id"), id);
  const up = duration(t - started);
  const part = role === "active" ? "leads" : "standby: another one leads";
  say(byId("own-facts"), `qkd-controller ${version}, up ${up}, ${part}, ${mode} routing`);
}

/** @param {State} state */
export function showVerdict({ condition, t, controller, alarms, nodes, links }) {
  showCondition(condition, t);
  const own = alarms.filter(({ severity }) => severity !== "cleared").length;
  const told = [...nodes, ...links].reduce((sum, one) => sum + one.alarms.length, 0);
  showTitle(own + told, controller.id, condition.text);
}

/** @param {number} n @param {string} what */
const some = (n, what) => (n === 0 ? "" : `${count(n)} ${what}`);
/** @param {string[]} parts @param {string} otherwise */
const joined = (parts, otherwise) => parts.filter((part) => part !== "").join(", ") || otherwise;

/** @param {State} state */
export function showFigures({ nodes, links, totals }) {
  const attached = nodes.filter((node) => node.attached).length;
  const controllers = nodes.flatMap((node) => node.controllers);
  const online = controllers.filter((one) => one.online).length;
  showFigure(
    "figure-nodes",
    [count(attached), `of ${count(nodes.length)}`],
    controllers.length === 0
      ? "none reports over MQTT"
      : `${count(online)} of ${count(controllers.length)} report over MQTT`,
    attached < nodes.length ? "stale" : "good",
  );
  const good = links.filter(({ state }) => state === "good").length;
  const number = (/** @type {string} */ wanted) =>
    links.filter(({ state }) => state === wanted).length;
  showFigure(
    "figure-links",
    [count(good), `of ${count(links.length)}`],
    joined(
      [
        some(number("bad"), "bad"),
        some(number("scarce"), "scarce"),
        some(number("unknown"), "unknown"),
      ],
      links.length === 0 ? "no link is known" : "all of them",
    ),
    good < links.length ? "stale" : "good",
  );
  const without = totals.pairs - totals.routed;
  showFigure(
    "figure-pairs",
    [count(totals.routed), `of ${count(totals.pairs)}`],
    totals.pairs === 0
      ? "none is known"
      : without === 0
        ? "all of them"
        : `${counted(without, "pair")} without a route`,
    without > 0 ? "stale" : "good",
  );
  const served = nodes.reduce((sum, node) => sum + node.applications.length, 0);
  showFigure(
    "figure-sessions",
    [count(totals.sessions), ""],
    `${counted(served, "application")} served`,
  );
}

/** @param {State} state @param {readonly { severity: string }[]} told of nodes and links */
export function showOwnAlarms({ alarms, t }, told) {
  const raised = alarms.filter(({ severity }) => severity !== "cleared");
  showAlarms(
    raised,
    t,
    ({ alarm, active, acknowledged }) =>
      active || acknowledged ? [] : [`qkd-controller alarms --ack ${alarm}`],
    "At the controller",
    told,
  );
}
