/**
 * What may be typed at the maintenance console: what looks, and a signed update. No other program is
 * reached from it, no file is named, and nothing goes through a shell. Pure.
 */
import { allOptions, findCommand } from "./commands.ts";

export interface Typed {
  readonly program: "qkd-node" | "qkd-km" | "qkd-controller" | "journalctl" | "networkctl";
  readonly args: readonly string[];
  /** It asks before it does something: it is given what is typed. */
  readonly asks: boolean;
}

export type Understood =
  | { readonly run: Typed }
  | { readonly problem: string }
  | "help"
  | "exit"
  | "nothing";

interface Allowed {
  /** What may stand after the name, beside options. */
  readonly words: RegExp;
  readonly options: readonly string[];
}

const module = /^([\w.-]{1,64})?$/;
const none = /^$/;
const count = /^\d{1,5}$/;
/** Options of every command: they change how the answer looks. */
const harmless = ["json", "help"];

const allowed: Readonly<Record<string, Allowed>> = {
  status: { words: none, options: [] },
  doctor: { words: none, options: [] },
  alarms: { words: none, options: ["history", "n"] },
  events: { words: none, options: ["n", "follow"] },
  links: { words: none, options: [] },
  keys: { words: module, options: [] },
  kept: { words: module, options: [] },
  telemetry: { words: module, options: ["watch", "interval"] },
  certs: { words: none, options: [] },
  config: { words: /^(show|check|diff)$/, options: [] },
  logs: { words: none, options: ["n", "follow"] },
  "support-bundle": { words: none, options: [] },
  update: { words: /^(status|install https:\/\/\S{1,2000})$/, options: ["sha256"] },
};

/** Of the machine, beside `qkd-node`. */
const machine = {
  km: "the key manager on this machine: km status, doctor, links, keys, apps, alarms",
  controller: "the same: controller status, doctor, nodes, links, pairs, routes, alarms",
  journal: "the journal of the whole machine: -n N, --follow",
  network: "ports, addresses and names",
} as const;

/** What can be typed, for help and completion. */
export const names: readonly (readonly [name: string, about: string])[] = [
  ...Object.keys(allowed).map((name) => [name, findCommand(name)?.summary ?? ""] as const),
  ...Object.entries(machine),
  ["help", "this"],
  ["exit", "end the session; turning the key back does it, too"],
];

/** @param line as it was typed */
export function understand(line: string): Understood {
  const [name = "", ...words] = line.trim().split(/\s+/);
  if (name === "") return "nothing";
  if (name === "help" || name === "exit") return name;
  if (name === "km" || name === "controller") return beside(name, words);
  if (name === "network") return network(words);
  if (name === "journal") return journal(words);
  const rule = Object.hasOwn(allowed, name) ? allowed[name] : undefined;
  if (rule === undefined)
    return { problem: `no such command here: ${name.slice(0, 32)}; see help` };
  const valued = allOptions();
  const rest: string[] = [];
  for (let i = 0; i < words.length; i++) {
    const word = words[i] as string;
    const [, option] = /^--?([a-z][a-z0-9-]*)(=.*)?$/.exec(word) ?? [];
    if (option === undefined) {
      if (word.startsWith("-")) return { problem: `${name}: what is ${word}?` };
      rest.push(word);
      continue;
    }
    if (![...rule.options, ...harmless].includes(option)) {
      return { problem: `${name}: no option --${option} here` };
    }
    // Its value is the next word.
    if (valued.get(option) === true && !word.includes("=")) i++;
  }
  if (!rule.words.test(rest.join(" "))) return { problem: `${name}: not like this; see help` };
  return { run: { program: "qkd-node", args: [name, ...words], asks: rest[0] === "install" } };
}

/** What only looks, of the programs beside the node. */
const looking = {
  km: /^(status|doctor|links|keys|apps|alarms)$/,
  controller: /^(status|doctor|nodes|links|pairs|routes|alarms)$/,
} as const;

function beside(name: keyof typeof looking, words: readonly string[]): Understood {
  const [what = "", ...more] = words;
  const options = more.every((word) => harmless.includes(word.replace(/^--/, "")));
  if (!looking[name].test(what) || !options || more.some((word) => !word.startsWith("--"))) {
    return { problem: `${name}: not like this; see help` };
  }
  return { run: { program: `qkd-${name}`, args: words, asks: false } };
}

function network(words: readonly string[]): Understood {
  if (words.length > 0) return { problem: "network: nothing comes after it" };
  const args = ["--no-pager", "--all", "status"];
  return { run: { program: "networkctl", args, asks: false } };
}

function journal(words: readonly string[]): Understood {
  const follow = words.includes("--follow");
  const [n = "-n", lines = "100", ...more] = words.filter((word) => word !== "--follow");
  if (n !== "-n" || !count.test(lines) || more.length > 0) {
    return { problem: "journal: -n N, --follow" };
  }
  const args = ["--no-pager", "--quiet", "--boot", `--lines=${lines}`];
  const run = { program: "journalctl", args: follow ? [...args, "--follow"] : args } as const;
  return { run: { ...run, asks: false } };
}
