// What to type where something waits for a person. The page itself only reads.

/** @type {Readonly<Record<string, readonly string[]>>} */
const commands = {
  peer_away: ["qkd-km doctor"],
  matching_fails: ["qkd-km links"],
  keys_differ: ["qkd-km links"],
  store_full: ["qkd-km status"],
  store_damaged: ["qkd-km store check"],
  restored_disk: ["qkd-km doctor"],
  plain_link: ["qkd-km check-config"],
};

/** Commands for a terminal at the key manager. @param {{ name: string }} alarm */
export function commandsFor({ name }) {
  return commands[name] ?? [];
}
