// What a node's events are called.
import { plainEvent, severityOf } from "./events.js";
import { percent } from "./format.js";

/** @typedef {import("./live.js").PageEvent} PageEvent */
/** @typedef {import("./events.js").Told} Told */

/** @type {Readonly<Record<string, [string, string]>>} */
const eventWords = {
  module_up: ["Module connected", "good"],
  module_down: ["Module lost", "bad"],
  km_up: ["KM connected", "good"],
  km_down: ["KM lost", "bad"],
  key_withheld: ["Block withheld", "attention"],
  key_quarantined: ["Key in quarantine", "bad"],
  block_damaged: ["Block damaged on the line", "attention"],
  block_empty: ["Block without key", ""],
  ledger_failed: ["Ledger cannot be written", "bad"],
  ledger_mended: ["Ledger can be written again", "good"],
  node_tamper: ["Chassis opened", "bad"],
  node_tamper_cleared: ["Tampering cleared", "good"],
  node_zeroize: ["All modules told to destroy their key", "bad"],
  module_zeroized: ["Module destroyed its key", "bad"],
  configuration_not_taken: ["New configuration not taken", "bad"],
  configuration_unsigned: ["Configuration was provisioned unsigned", "attention"],
  update_installed: ["Update installed", "good"],
  update_refused: ["Update refused", "attention"],
};

/** @type {Readonly<Record<string, string>>} */
const withheldWords = {
  qber: "QBER above the limit",
  no_qber: "without a QBER",
  operator: "somebody named it",
  ledger_repaired: "of before the ledger was repaired",
  replayed: "the module had let go of it before",
  past_unknown: "too old to know what became of it",
};

/** @param {PageEvent} event @returns {Told} */
export function describeEvent(event) {
  const { type, module, facts } = event;
  if (type === "module_event") {
    const title = `Module says: ${facts.text || facts.code}`;
    const more = `${module}, ${facts.severity}`;
    const severity = severityOf(event);
    return severity === undefined ? { title, more } : { title, more, severity };
  }
  if (type === "node_maintenance") {
    return {
      title: "Key switch turned",
      more: facts.on === true ? "to maintenance" : "to operation",
    };
  }
  if (type === "maintenance_session") {
    return {
      title: "Maintenance console",
      more: facts.on === true ? "session begins" : "session is over",
    };
  }
  const told = plainEvent(event, eventWords);
  if (type !== "key_withheld" && type !== "block_empty") return told;
  const { title, level } = told;
  const { qber } = facts;
  const measured = typeof qber === "number" ? `, QBER ${percent(qber)}` : "";
  const why = withheldWords[String(facts.reason)];
  const more = `${module}, block ${facts.sequence ?? facts.block}${measured}; the last of its kind`;
  return { title: why === undefined ? title : `${title}: ${why}`, more, level };
}
