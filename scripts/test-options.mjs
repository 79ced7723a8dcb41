/**
 * What may be asked of `npm test`. AVA passes over what it does not know: a misspelt option would be a run of all that
 * there is, for an hour. Pure.
 */

/** Options of AVA and ours, and whether each takes a value. @type {Readonly<Record<string, boolean>>} */
const options = {
  slowest: false,
  whole: false,
  color: false,
  config: true,
  concurrency: true,
  "fail-fast": false,
  help: false,
  match: true,
  "worker-threads": false,
  "node-arguments": true,
  serial: false,
  tap: false,
  timeout: true,
  "update-snapshots": false,
  verbose: false,
  version: false,
  watch: false,
};
/** @type {Readonly<Record<string, string>>} */
const letters = {
  c: "concurrency",
  m: "match",
  s: "serial",
  t: "tap",
  T: "timeout",
  u: "update-snapshots",
  v: "verbose",
  w: "watch",
};

/**
 * @param {readonly string[]} args
 * @returns {string | undefined} what is wrong with them
 */
export function wrongOption(args) {
  for (let i = 0; i < args.length; i++) {
    const word = args[i];
    if (word === "--") return undefined;
    if (!word.startsWith("-")) continue;
    const [, long, short = "", rest = ""] = /^(?:--([^=]+)|-(\w)(.*)|.*)/s.exec(word) ?? [];
    const name = long === undefined ? letters[short] : long.replace(/^no-/, "");
    if (name === undefined || !Object.hasOwn(options, name)) return `no such option: ${word}`;
    if (!options[name] || word.includes("=") || rest !== "") continue;
    const value = args[++i];
    if (value === undefined || value.startsWith("-")) return `${word}: its value is missing`;
  }
  return undefined;
}

/**
 * @param {Readonly<Record<string, string | undefined>>} env
 * @returns {string | undefined} what is wrong with it
 */
export function wrongEnvironment({ QKD_CAMPAIGNS: campaigns, QKD_TEST_MINUTES: minutes }) {
  if (campaigns !== undefined && !["whole", "ci"].includes(campaigns)) {
    return "QKD_CAMPAIGNS: whole, ci, or not set";
  }
  // A timer of Node.js that is longer goes off at once.
  if (minutes !== undefined && !(Number(minutes) > 0 && Number(minutes) <= mostMinutes)) {
    return `QKD_TEST_MINUTES: more than 0, ${mostMinutes} at most`;
  }
  return undefined;
}

const mostMinutes = 35_000;
