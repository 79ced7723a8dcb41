// Tables of a module: telemetry, and who is who.
import { byId, fill, make } from "./dom.js";
import { factsGroup as group } from "./facts.js";
import { amount, count, duration, percent, words } from "./format.js";
import { stamp } from "./time.js";

/** @typedef {import("./state.js").State} State */
/** @typedef {State["modules"][number]} Module */

/** @typedef {keyof Module["figures"]} FigureName */

/** @type {[FigureName, string, (v: number) => string][]} */
const figures = [
  ["qber", "QBER", (v) => percent(v)],
  ["visibility", "Visibility", (v) => percent(v, 1)],
  ["secret_key_rate", "Secret key rate", (v) => amount(v, "bit/s")],
  ["sifted_rate", "Sifted rate", (v) => amount(v, "bit/s")],
  ["raw_rate", "Raw rate", (v) => amount(v, "/s")],
  ["channel_loss", "Channel loss", (v) => `${v.toFixed(2)} dB`],
  ["laser_power", "Laser power", (v) => `${v.toFixed(2)} dBm`],
  ["laser_bias", "Laser bias", (v) => `${v.toFixed(2)} mA`],
  ["detector_counts", "Detector counts", (v) => amount(v, "/s")],
  ["dark_counts", "Dark counts", (v) => amount(v, "/s")],
  ["detector_temperature", "Detector", (v) => `${v.toFixed(1)} °C`],
  ["module_temperature", "Module", (v) => `${v.toFixed(1)} °C`],
  ["key_buffer_fill", "Key buffer", (v) => percent(v, 1)],
  ["key_buffer_bits", "Key held", (v) => amount(v, "bit")],
];

/** @param {Module} module */
export function showTelemetry(module) {
  const rows = figures.flatMap(([name, title, text]) => {
    const report = module.figures[name];
    if (report === undefined) return [];
    const { last, quality, age_ms: age } = report;
    const values = last === undefined ? "out of range" : [last].flat().map(text).join(", ");
    const old = quality === "stale" ? ` (${duration(age)} ago)` : "";
    return [make("dt", {}, title), make("dd", { "data-quality": quality }, `${values}${old}`)];
  });
  const nothing = make("p", { class: "dim" }, "The module has reported nothing.");
  fill(
    byId("telemetry"),
    rows.length === 0 ? nothing : make("dl", { class: "facts-table" }, ...rows),
  );
}

/** @param {State["node"]["panel"]} panel */
function chassis(panel) {
  if (panel === undefined) return [];
  const { presence, reason, tamper, contacts = [], tampered_at, maintenance, zeroize } = panel;
  const opened = contacts.map((contact) => contact + 1).join(", ");
  const what = opened === "" ? "could not have noticed" : `contact ${opened} opened`;
  const at = tampered_at === undefined ? "" : `, ${stamp(Date.parse(tampered_at))}`;
  const heard = presence === "ok";
  return [
    group("Chassis panel", [
      [
        "State",
        heard ? "connected" : `${words(presence)}${reason === undefined ? "" : `: ${reason}`}`,
      ],
      ["Chassis", tamper !== "none" ? `${what}${at}` : heard ? "closed" : ""],
      ["Key switch", heard ? (maintenance ? "maintenance" : "operation") : ""],
      ["Zeroize", zeroize === "none" ? "" : zeroize],
      ["Keys", panel.halted ? `stopped: ${panel.halted_because ?? ""}` : ""],
      ["Lamps", heard ? `supply ${panel.lamps.supply}, alarm ${panel.lamps.alarm}` : ""],
      ["Serial", panel.serial],
      ["Firmware", panel.firmware],
    ]),
  ];
}

/** @param {Module} module @param {State} state */
export function showIdentity(module, { node }) {
  fill(
    byId("identity"),
    group("Module", [
      ["Module ID", module.module_id],
      ["Matching module", module.matching_module_id],
      ["Role", module.role],
      ["Made by", [module.vendor, module.model].filter(Boolean).join(" ")],
      ["Serial", module.serial],
      ["Firmware", module.firmware],
      ["Driver", `${module.driver}, ${module.where}`],
      ["Keys", module.mode === "on_request" ? "on request" : "as they come"],
    ]),
    ...module.kms.map((km) =>
      group(`KM ${km.name}`, [
        ["Address", km.address],
        ["Transport", km.transport],
        ["Key exchange", km.keyExchange],
        ["Trouble", km.trouble],
      ]),
    ),
    group("Node", [
      ["ID", node.id],
      ["Software", `qkd-node ${node.version}`],
      ["Start", `number ${count(node.boot)}, ${stamp(node.started)}`],
      ["Configuration", node.configuration],
      ["Broker", node.broker?.url],
    ]),
    ...chassis(node.panel),
  );
}
