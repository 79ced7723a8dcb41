/** Every command, in one table: what help, completion and the dispatch know of it. Pure. */

import {
  type CommandInfo,
  follow,
  last,
  type OptionInfo,
  selection,
  standard,
} from "./command-info.ts";

export type { CommandInfo, OptionInfo } from "./command-info.ts";

export const commands: readonly CommandInfo[] = [
  {
    ...standard,
    name: "status",
    args: "",
    summary: "the node at a glance",
    examples: ["qkd-node status", "qkd-node status --json | jq .alarms"],
  },
  {
    ...standard,
    name: "keys",
    args: "[MODULE]",
    names: ["module"],
    summary: "keys by their state: counts, never bytes",
    examples: ["qkd-node keys", "qkd-node keys alice --json"],
  },
  {
    ...standard,
    name: "telemetry",
    args: "[MODULE]",
    names: ["module"],
    summary: "what the modules measure",
    options: [
      { name: "watch", about: "show it again and again until Ctrl-C" },
      { name: "interval", value: "MS", about: "how often, 200 to 60000 (default 1000)" },
    ],
    examples: ["qkd-node telemetry --watch", "qkd-node telemetry alice --watch --json"],
  },
  {
    ...standard,
    name: "alarms",
    args: "",
    summary: "raised alarms, what they mean and what to do",
    about: "--ack says that somebody has seen it: a latched alarm that is over is cleared by it.",
    options: [
      { name: "history", about: "alarms that came and went since the node started" },
      last("of the history"),
      { name: "ack", value: "ID", about: "acknowledge an alarm", names: "alarm" },
    ],
    examples: ["qkd-node alarms", "qkd-node alarms --ack qber_high.alice"],
  },
  {
    ...standard,
    name: "events",
    args: "",
    summary: "what happened lately",
    options: [last("events"), follow("events")],
    examples: ["qkd-node events -n 20", "qkd-node events --follow --json"],
  },
  {
    ...standard,
    name: "links",
    args: "",
    summary: "links to modules, KMs and broker",
    examples: ["qkd-node links"],
  },
  {
    ...standard,
    name: "certs",
    args: "",
    summary: "certificates: whose, from which CA, until when",
    examples: ["qkd-node certs", "qkd-node certs --config node.toml"],
  },
  {
    ...standard,
    name: "config",
    args: "show|check|diff",
    words: ["show", "check", "diff"],
    summary: "the configuration, without secrets",
    about:
      "show: what the node runs with, or the file if it does not run. check: what is wrong with the " +
      "file. diff: what a restart would change.",
    examples: [
      "qkd-node config show",
      "qkd-node config check --config new.toml",
      "qkd-node config diff",
    ],
  },
  {
    ...standard,
    name: "doctor",
    args: "",
    summary: "look for what is wrong, and say what to do",
    about:
      "Checks in the order in which an expert would: configuration, permissions and devices, module, " +
      "clock, certificates, KMs, broker, disk, memory, temperature. Works with the node running or not; " +
      "takes no key. Exit code 1 if a check failed.",
    examples: ["qkd-node doctor", "qkd-node doctor --json --config node.toml"],
  },
  {
    ...standard,
    name: "logs",
    args: "",
    summary: "the log of the node",
    about:
      "From the node's memory if it runs, else from the journal of its unit. --grep: small letters " +
      "stand for large ones, too. With --since all lines from then on, unless -n says how many.",
    options: [
      last("lines"),
      follow("lines"),
      { name: "since", value: "TIME", about: "from then on: 10m, 2h, 14:30, 2026-01-31 14:30" },
      { name: "grep", value: "TEXT", about: "lines with this in them (a regular expression)" },
      { name: "unit", value: "UNIT", about: "unit of the journal (default qkd-node)" },
    ],
    examples: ["qkd-node logs --since 10m --grep KM", "qkd-node logs --follow"],
  },
  {
    ...standard,
    name: "support-bundle",
    args: "[FILE]",
    summary: "one file for who helps from afar",
    about:
      "States, counters, alarms, events, telemetry, logs, configuration and the doctor's report, as " +
      "tar.gz with checksums. No key, no private key, no password. Default name: NODE-TIME.tar.gz.",
    options: [{ name: "unit", value: "UNIT", about: "unit of the journal (default qkd-node)" }],
    examples: ["qkd-node support-bundle", "qkd-node support-bundle /media/usb/node-a.tar.gz"],
  },
  {
    ...standard,
    name: "start",
    args: "[MODULE]",
    names: ["module"],
    summary: "have a module distil keys",
    examples: ["qkd-node start", "qkd-node start alice"],
  },
  {
    ...standard,
    name: "stop",
    args: "[MODULE]",
    names: ["module"],
    summary: "have a module stop distilling",
    examples: ["qkd-node stop alice"],
  },
  {
    ...standard,
    name: "self-test",
    args: "[MODULE]",
    names: ["module"],
    summary: "have a module test itself",
    examples: ["qkd-node self-test alice"],
  },
  {
    ...standard,
    name: "zeroize",
    args: "[MODULE]",
    names: ["module"],
    summary: "destroy all key in a module, for good",
    about: "Asks twice. In a script the node must be named: --yes NODE_ID.",
    options: [
      { name: "yes", value: "NODE_ID", about: "do it without asking, if this is the node" },
    ],
    examples: ["qkd-node zeroize alice", "qkd-node zeroize alice --yes node-a"],
  },
  {
    ...standard,
    name: "kept",
    args: "[MODULE]",
    names: ["module"],
    summary: "blocks and keys that are kept back from the KM, and why",
    examples: ["qkd-node kept", "qkd-node kept alice --json"],
  },
  {
    ...standard,
    name: "release",
    args: "MODULE NAME|--all",
    most: 2,
    names: ["module"],
    summary: "supply what is kept back after all",
    about:
      "NAME is a key_ID in quarantine or a block, EPOCH/NUMBER. It gets the ID that it always had. " +
      "Decide alike at both ends of the link.",
    options: selection,
    examples: [
      "qkd-node release alice 00112233aabbccdd/17",
      "qkd-node release alice --all --reason ledger_repaired",
    ],
  },
  {
    ...standard,
    name: "discard",
    args: "MODULE NAME|--all",
    most: 2,
    names: ["module"],
    summary: "give up what is kept back; the module destroys it",
    about: "NAME as for release. Cannot be undone.",
    options: selection,
    examples: [
      "qkd-node discard alice 00112233aabbccdd/17",
      "qkd-node discard alice --all --epoch 00112233aabbccdd",
    ],
  },
  {
    ...standard,
    name: "withhold",
    args: "MODULE NAME",
    most: 2,
    names: ["module"],
    summary: "keep back a key that waits, or a block that is to come",
    about: "NAME as for release. What was given to a KM cannot be kept back.",
    examples: ["qkd-node withhold alice 00112233aabbccdd/18"],
  },
  {
    ...standard,
    name: "free-km",
    args: "MODULE KM",
    most: 2,
    names: ["module", "km"],
    summary: "let keys go to another KM than the one that never answered",
    about: "Only when that KM is known not to have them: another would get a key twice.",
    examples: ["qkd-node free-km alice backup"],
  },
  {
    ...standard,
    name: "accept-km",
    args: "KM",
    names: ["km"],
    summary: "say that a KM is the one that it was before its certificate or address changed",
    about: "Keys that may be with it are offered to it again. If it is another KM: free-km.",
    examples: ["qkd-node accept-km backup"],
  },
  {
    ...standard,
    name: "accept-module",
    args: "MODULE MODULE_ID",
    most: 2,
    names: ["module"],
    summary: "serve another module than before, which was put in on purpose",
    about:
      "MODULE_ID is what it says it is: see `qkd-node links`. Blocks of the module before it stay " +
      "known by their epochs.",
    examples: ["qkd-node accept-module alice QKD-A-0002"],
  },
  {
    ...standard,
    name: "clear-tamper",
    args: "--yes NODE_ID",
    summary: "say that the node was inspected after its chassis was opened",
    options: [{ name: "yes", value: "NODE_ID", about: "the node that is meant" }],
    examples: ["qkd-node clear-tamper --yes node-a"],
  },
  {
    ...standard,
    name: "update",
    args: "install FILE|URL, update status",
    most: 2,
    words: ["install", "status"],
    summary: "software of an appliance: what runs, and a new one",
    about:
      "install: a signed bundle, sent to the node from a file, or fetched by it from https://. It goes " +
      "to the slot that does not run; then the node stops in order and the machine starts from that " +
      "slot, on trial. Asks first; in a script: --yes NODE_ID. status: works without the node, too.",
    options: [
      { name: "yes", value: "NODE_ID", about: "do it without asking, if this is the node" },
      { name: "sha256", value: "HEX", about: "the bundle must have this SHA-256" },
      { name: "allow-downgrade", about: "root only, with --sha256: also an older version" },
    ],
    examples: [
      "qkd-node update status",
      "qkd-node update install /media/usb/update.raucb",
      "qkd-node update install https://updates.example/u.raucb --yes node-a",
    ],
  },
  {
    ...standard,
    name: "probe",
    args: "DEVICE",
    summary: "say what answers on a device; takes no key",
    about:
      "DEVICE is a serial port, a PCIe card (/dev/xdma0) or a socket (tcp:HOST:PORT, unix:/PATH). " +
      "Not one that a running node has open.",
    options: [{ name: "baud", value: "N", about: "bit/s of a serial port (default 921600)" }],
    examples: ["qkd-node probe /dev/ttyUSB0 --baud 115200"],
    node: false,
  },
  {
    ...standard,
    name: "run",
    args: "--config FILE",
    summary: "run the node until SIGTERM or SIGINT",
    examples: ["qkd-node run --config /etc/qkd-node/node.toml"],
    json: false,
  },
  {
    ...standard,
    name: "check-config",
    args: "FILE",
    summary: "say what is wrong with a configuration",
    examples: ["qkd-node check-config /etc/qkd-node/node.toml"],
  },
  {
    ...standard,
    name: "ledger",
    args: "check|repair|adopt|retire [MODULE] [NEW]",
    most: 3,
    words: ["check", "repair", "adopt", "retire"],
    summary: "whether the ledgers are whole and whose they are; repair one",
    about:
      "While the node does not run. What a damaged ledger lost is unknown: the blocks it can have " +
      "been about are withheld, and an operator decides. --trust withholds nothing: for when the " +
      "module was zeroized, or keys may be given again. adopt: the module OLD is called NEW now. " +
      "retire: the module OLD is gone; its ledger is kept, but not used any more (--trust: though " +
      "a module OLD is configured).",
    options: [{ name: "trust", about: "withhold nothing; retire what a module has" }],
    examples: [
      "qkd-node ledger check",
      "qkd-node ledger repair alice",
      "qkd-node ledger adopt alice alice-1",
    ],
    json: false,
  },
  {
    ...standard,
    name: "state",
    args: "check|reset",
    words: ["check", "reset"],
    summary: "say whether the small state is whole; make it anew",
    about:
      "reset needs --boot: the starts so far, as the manager has seen them. Alarms and command " +
      "counters are lost. A good state is not reset.",
    options: [{ name: "boot", value: "N", about: "starts so far, at least" }],
    examples: ["qkd-node state check", "qkd-node state reset --boot 120"],
    json: false,
  },
  {
    ...standard,
    name: "console",
    args: "--key FILE",
    summary: "the maintenance console, for systemd (qkd-console.service)",
    about:
      "Takes commands that look, and signed updates, for as long as FILE is there and renewed: qkd-panel " +
      "does that while the key switch says maintenance.",
    options: [{ name: "key", value: "FILE", about: "whether the key is turned" }],
    examples: ["qkd-node console --key /run/qkd-panel/maintenance"],
    json: false,
  },
  {
    ...standard,
    name: "completion",
    args: "bash|zsh|fish",
    words: ["bash", "zsh", "fish", "modules", "kms", "alarms"],
    summary: "print a completion script for a shell",
    about:
      "The scripts ask the running node for the names of modules, KMs and raised alarms: modules, kms " +
      "and alarms print those.",
    examples: ["qkd-node completion bash > /etc/bash_completion.d/qkd-node"],
    json: false,
  },
  {
    ...standard,
    name: "schema",
    args: "[COMMAND]",
    summary: "print the JSON Schema of what --json prints",
    examples: ["qkd-node schema status"],
    node: false,
    json: false,
  },
];

export const nodeOptions: readonly OptionInfo[] = [
  { name: "socket", value: "PATH", about: "the node's control socket" },
  { name: "config", value: "FILE", about: "its configuration (default /etc/qkd-node/node.toml)" },
];
const jsonOption: OptionInfo = { name: "json", about: "print JSON; its schema: qkd-node schema" };
const helpOption: OptionInfo = { name: "help", about: "print help" };

/** Every option that a command takes. */
export function optionsOf(command: CommandInfo): OptionInfo[] {
  return [
    ...command.options,
    ...(command.node ? nodeOptions : []),
    ...(command.json ? [jsonOption] : []),
    helpOption,
  ];
}

export function findCommand(name: string): CommandInfo | undefined {
  return commands.find((command) => command.name === name);
}

/** Every option of every command: name → whether it has a value. */
export function allOptions(): Map<string, boolean> {
  return new Map(commands.flatMap(optionsOf).map(({ name, value }) => [name, value !== undefined]));
}
