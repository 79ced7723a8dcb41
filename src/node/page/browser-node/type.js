// What to type where something waits for a person. The page itself only reads.

/** @typedef {import("./state.js").State} State */
/** @typedef {State["alarms"][number]} Alarm */

/** An argument as a shell takes it. @param {string} text */
function word(text) {
  return /^[\w./:@-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

/** The module that an alarm is about: its object, up to the first dot. @param {Alarm} alarm */
function moduleOf({ object }) {
  return word(object.split(".")[0] ?? object);
}

/** @type {Readonly<Record<string, (alarm: Alarm, node: string) => string[]>>} */
const commands = {
  key_withheld: (alarm) => [`qkd-node kept ${moduleOf(alarm)}`],
  qber_missing: (alarm) => [`qkd-node kept ${moduleOf(alarm)}`],
  key_quarantined: (alarm) => [`qkd-node kept ${moduleOf(alarm)}`],
  keys_doubtful: (alarm) => [`qkd-node kept ${moduleOf(alarm)}`],
  block_replayed: (alarm) => [`qkd-node kept ${moduleOf(alarm)}`],
  reference_reused: (alarm) => [`qkd-node kept ${moduleOf(alarm)}`],
  key_waits_for_km: (alarm) => [
    `qkd-node kept ${moduleOf(alarm)}`,
    "qkd-node accept-km KM",
    `qkd-node free-km ${moduleOf(alarm)} KM`,
  ],
  module_identity: (alarm) => [`qkd-node accept-module ${moduleOf(alarm)} MODULE_ID`],
  ledger_orphaned: ({ object }) => [`qkd-node ledger retire ${word(object)}`],
  tamper: (alarm, node) =>
    alarm.object === "chassis" || alarm.object === "panel"
      ? [`qkd-node clear-tamper --yes ${word(node)}`]
      : [],
  km_unreachable: () => ["qkd-node doctor"],
  km_silent: () => ["qkd-node doctor"],
  module_silent: () => ["qkd-node doctor"],
  broker_unreachable: () => ["qkd-node doctor"],
};

/**
 * Commands for a terminal at the node.
 * @param {Alarm} alarm @param {State["node"]} node
 * @returns {string[]}
 */
export function commandsFor(alarm, { id }) {
  const own = commands[alarm.name]?.(alarm, id) ?? [];
  const waits = alarm.latched && !alarm.active && !alarm.acknowledged;
  return waits ? [...own, `qkd-node alarms --ack ${word(alarm.alarm)}`] : own;
}
