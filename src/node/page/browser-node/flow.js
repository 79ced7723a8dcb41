// Module → node → KM, with rates and states.
import { byId, fill, make } from "./dom.js";
import { amount, count, counted, percent } from "./format.js";
import { hop, stop } from "./way.js";

/** @typedef {import("./state.js").State} State */
/** @typedef {State["modules"][number]} Module */

/** @param {Module} module @param {string} name */
export function counter(module, name) {
  const value = module.supply[name];
  return typeof value === "number" ? value : 0;
}

/**
 * The last value of a figure of one number.
 * @param {Module} module @param {"qber" | "secret_key_rate" | "key_buffer_fill" | "key_buffer_bits"} name
 */
export function figure(module, name) {
  const report = module.figures[name];
  return typeof report?.last === "number" ? { ...report, last: report.last } : undefined;
}

const conditions = /** @type {const} */ ({
  UP: { word: "connected", level: "good" },
  DOWN: { word: "down", level: "bad" },
  AWAITED: { word: "asks for keys", level: "good" },
});
const transports = { tls: "TLS 1.3", https: "HTTPS, TLS 1.3", plain: "not encrypted" };

/**
 * What is kept back from the KM waits for a person, who must know what to type.
 * @param {Module} module @param {number} kept
 */
function keptBack({ name }, kept) {
  if (kept === 0) return [make("p", {}, "nothing kept back")];
  const command = make("code", {}, `qkd-node kept ${name}`);
  return [make("p", { class: "waits" }, `${count(kept)} kept back; type `, command)];
}

/** @param {Module} module */
export function showFlow(module) {
  const { rates } = module;
  const { code } = module.condition;
  const isLit = code !== "no_light";
  const moduleUp = module.state.module === "OPERATING";
  const kmUp = module.state.km === "UP" && !["km_refusing", "km_rejects"].includes(code);
  const rate = figure(module, "secret_key_rate");
  const isFine = moduleUp && isLit && code !== "stopped";
  const state = !moduleUp ? "down" : !isLit ? "no light" : isFine ? "operating" : "stopped";
  const full = figure(module, "key_buffer_fill");
  const bits = figure(module, "key_buffer_bits");
  const buffer = full === undefined ? "" : `key buffer ${percent(full.last, 1)}`;
  const held = bits === undefined ? "" : `${amount(bits.last, "bit")} held`;
  const told = [held, buffer].filter((text) => text !== "").join(", ");
  fill(
    byId("stop-module"),
    ...stop("Module", state, isFine ? "good" : code === "stopped" ? "attention" : "bad", [
      module.module_id ?? "not identified yet",
      // A module that is away may have another fill by now.
      moduleUp || told === "" ? told : `${told}, when it was last heard`,
    ]),
  );
  const distils = isFine && rate?.quality === "good" && rate.last > 0;
  hop(
    "hop-module",
    distils,
    !moduleUp,
    rate === undefined || !moduleUp ? "–" : amount(rate.last, "bit/s"),
    !moduleUp ? "no connection" : rate === undefined ? "no rate reported" : "distilled",
  );
  const kept = module.kept_back.reduce((sum, { count: n }) => sum + n, 0);
  const trouble =
    code === "ledger_failed" ? "ledger fails" : code === "halted" ? "supply stopped" : undefined;
  fill(
    byId("stop-node"),
    ...stop("Node", trouble ?? "running", trouble === undefined ? "good" : "bad", [
      `${counted(counter(module, "held_blocks"), "block")} in memory, ${counted(counter(module, "in_flight"), "key")} under way`,
      `${counted(counter(module, "empty_blocks"), "block")} without key`,
    ]),
    ...keptBack(module, kept),
  );
  hop(
    "hop-km",
    rates.keys > 0,
    !kmUp || trouble !== undefined,
    amount(rates.bits, "bit/s"),
    module.mode === "on_request" ? "on request" : `${amount(rates.keys, "key/s")} confirmed`,
  );
  const mute = {
    km_silent: "does not answer",
    km_refusing: "takes no key",
    km_rejects: "refuses keys",
  };
  const unwell = mute[/** @type {keyof typeof mute} */ (code)];
  const kms = module.kms.map((km, i) => {
    const known = conditions[km.condition];
    const isMute = unwell !== undefined && km.condition === "UP";
    const { word, level } = isMute ? { word: unwell, level: "bad" } : known;
    const transport = km.transport === undefined ? "" : `, ${transports[km.transport]}`;
    const parts = stop(`KM ${km.name}`, word, level, [`${km.address ?? ""}${transport}`]);
    if (i > 0) parts[0]?.classList.add("more");
    return parts;
  });
  const total = `${counted(counter(module, "confirmed"), "key")}, ${amount(counter(module, "bits"), "bit")} since start`;
  fill(byId("stop-km"), ...kms.flat(), make("p", {}, total));
}
