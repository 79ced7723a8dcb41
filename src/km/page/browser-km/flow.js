// Modules → matching with the other key manager → applications, with rates and states.
import { byId, fill } from "./dom.js";
import { amount, count, counted, duration } from "./format.js";
import { hop, stop } from "./way.js";

/** @typedef {import("./state.js").State} State */
/** @typedef {State["links"][number]} Link */
/** @typedef {Link["modules"][number]} Module */

/** Without a key for this long a module is silent, s. */
const silentAfterS = 120;

/** @param {Module} module */
function comes({ rates }) {
  return rates.last_key_s !== undefined && rates.last_key_s < silentAfterS;
}

/** @param {Module} module */
function moduleStop(module) {
  const { told, rates } = module;
  const last =
    rates.last_key_s === undefined
      ? "no key yet"
      : `last key ${duration(rates.last_key_s * 1_000)} ago`;
  const state = comes(module) ? "supplies" : "silent";
  const node = told === undefined ? "" : `, ${told.node}`;
  const lines = [`${module.module_id}${node}`, `${amount(rates.bits, "bit/s")}, ${last}`];
  return stop(`Module ${module.name}`, state, comes(module) ? "good" : "attention", lines);
}

const sessions = /** @type {const} */ ({
  ready: { word: "connected", level: "good" },
  comparing: { word: "comparing books", level: "attention" },
  down: { word: "not connected", level: "bad" },
});

/** @param {Link} link @param {State} state */
export function showFlow(link, { applications }) {
  const { rates } = link;
  const silent = link.modules.every((module) => !comes(module));
  const stops = link.modules.map((module, i) => {
    const parts = moduleStop(module);
    if (i > 0) parts[0]?.classList.add("more");
    return parts;
  });
  fill(byId("stop-modules"), ...stops.flat());
  const received = rates.received;
  hop(
    "hop-in",
    received > 0,
    silent,
    amount(received, "bit/s"),
    silent ? "no keys come" : "received",
  );

  const { word, level } = sessions[link.session];
  const exchange = link.key_exchange === undefined ? "" : `key exchange ${link.key_exchange}`;
  const differing =
    link.differing_keys === 0 ? "none differed" : `${count(link.differing_keys)} differed`;
  fill(
    byId("stop-matching"),
    ...stop(`Other KM: ${link.peer}`, word, level, [
      `${counted(link.compared_keys, "key")} compared, ${differing}`,
      `${amount(rates.matched, "bit/s")} into stock`,
      exchange,
    ]),
  );
  hop(
    "hop-out",
    rates.taken > 0,
    link.session !== "ready",
    amount(rates.taken, "bit/s"),
    link.session === "ready" ? "fetched by applications" : "no key can be given",
  );
  const sum = (/** @type {"requests" | "keys" | "refused"} */ name) =>
    (applications ?? []).reduce((total, pair) => total + pair[name], 0);
  const pairs = applications?.length ?? 0;
  const door =
    applications === undefined
      ? "no door"
      : pairs === 0
        ? "none has asked"
        : counted(pairs, "pair");
  fill(
    byId("stop-applications"),
    ...stop("Applications", door, pairs > 0 ? "good" : "waiting", [
      applications === undefined ? "see [etsi014] in the configuration" : "",
      pairs === 0
        ? ""
        : `${counted(sum("keys"), "key")} handed out here, ${count(sum("refused"))} refused`,
      `${amount(link.taken_bits, "bit")} fetched since the link began`,
    ]),
  );
}
