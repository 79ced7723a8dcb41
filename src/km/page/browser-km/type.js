// What to type where something waits for a person. The page itself only reads.

/** @type {Readonly<Record<string, readonly string[]>>} */
const commands = {
  peer_away: ["qkd-km doctor"],
  controller_away: ["qkd-km doctor"],
  matching_fails: ["qkd-km links"],
  keys_differ: ["qkd-km links"],
  store_full: ["qkd-km status"],
  store_damaged: ["qkd-km store check"],
  master_key: ["qkd-km doctor"],
  restored_disk: ["qkd-km doctor"],
  plain_link: ["qkd-km check-config"],
  node_silent: ["qkd-km doctor"],
};

/**
 * Commands for a terminal at the key manager.
 * @param {{ alarm: string, name: string, latched: boolean, active: boolean, acknowledged: boolean }} alarm
 */
export function commandsFor({ alarm, name, latched, active, acknowledged }) {
  const own = commands[name] ?? [];
  const waits = latched && !active && !acknowledged;
  return waits ? [...own, `qkd-km alarms --ack ${alarm}`] : own;
}
