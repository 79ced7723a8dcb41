/**
 * What can be done to a running pair: one table of commands, for options, for lines on standard input
 * and on the control socket, and for scenario files.
 */
import { Fault } from "../../../src/base/errors.ts";
import type { ModuleEvent } from "../../../src/port/module.ts";
import type { PairEnd } from "../end.ts";
import type { EmulatedPair } from "../pair.ts";
import { type ConditionName, conditions } from "../physics/link.ts";
import { duration, number, oneOf, whole } from "./words.ts";

/** A command that was understood; does its work when called, and answers with a line. */
export type Action = (pair: EmulatedPair) => string;

interface Spec {
  /** Words after the command's own, for the help. */
  readonly args: string;
  readonly about: string;
  /** How many words it takes: least and most. */
  readonly words: readonly [number, number];
}

interface EndSpec extends Spec {
  read(words: readonly string[]): (end: PairEnd, pair: EmulatedPair) => void;
}

interface PairSpec extends Spec {
  read(words: readonly string[]): Action;
}

const rate = (name: "bitErrors" | "drops" | "inserts" | "duplicates"): EndSpec["read"] => {
  return ([word = ""]) => {
    const value = number(word, 0, 0.1);
    return (end) => end.line.noise({ [name]: value });
  };
};

const severities = ["critical", "major", "minor", "warning", "indeterminate", "cleared"] as const;
const eventCodes = [
  "quantum_channel_lost",
  "detector_fault",
  "laser_fault",
  "temperature_out_of_range",
  "key_buffer_overflow",
  "classical_channel_lost",
  "tamper",
  "self_test_failed",
];

/** A code of QMLP §4, or a vendor's own. */
function eventCode(word: string): string {
  const vendor = Number(/^vendor_(\d{5})$/.exec(word)?.[1]);
  if (vendor >= 0x8000 && vendor <= 0xffff) return word;
  return oneOf(word, [...eventCodes, "vendor_32768"]);
}

/** Done to one end, or to both. */
export const endCommands: Readonly<Record<string, EndSpec>> = {
  unplug: {
    args: "",
    about: "pull the cable",
    words: [0, 0],
    read: () => (end) => end.unplug(),
  },
  plug: { args: "", about: "put it back", words: [0, 0], read: () => (end) => end.plug() },
  reset: {
    args: "",
    about: "power cycle, in mid-block or wherever it is; keys are kept",
    words: [0, 0],
    read: () => (end) => end.reset(),
  },
  stall: {
    args: "MS",
    about: "nothing passes on the line, either way, for that long",
    words: [1, 1],
    read([word = ""]) {
      const ms = whole(word, 1, 3_600_000);
      return (end) => end.line.stall(ms);
    },
  },
  ber: { args: "RATE", about: "bit errors, for each bit", words: [1, 1], read: rate("bitErrors") },
  drop: { args: "RATE", about: "bytes lost, for each byte", words: [1, 1], read: rate("drops") },
  insert: { args: "RATE", about: "random bytes inserted", words: [1, 1], read: rate("inserts") },
  duplicate: { args: "RATE", about: "bytes doubled", words: [1, 1], read: rate("duplicates") },
  identity: {
    args: "ID",
    about: "another module ID answers, after a reset",
    words: [1, 1],
    read([id = ""]) {
      if (!/^[\x21-\x7e]{1,128}$/.test(id)) throw new Fault("config.value", "not a module ID");
      return (end) => end.rename(id);
    },
  },
  skip: {
    args: "N",
    about: "out of step: this end does not get the next N blocks, the other does",
    words: [1, 1],
    read([word = ""]) {
      const blocks = whole(word, 1, 1_000_000);
      return (end) => {
        end.skip += blocks;
      };
    },
  },
  clock: {
    args: "SECONDS",
    about: "the module's clock jumps by that much; negative: back",
    words: [1, 1],
    read([word = ""]) {
      const seconds = number(word, -1e10, 1e10);
      return (end) => end.skewClock(seconds * 1_000);
    },
  },
  event: {
    args: "CODE SEVERITY [TEXT]",
    about: "the module tells of an event; severity by X.733",
    words: [2, 40],
    read([code = "", severity = "", ...text]) {
      const event: ModuleEvent = {
        code: eventCode(code),
        severity: oneOf(severity, severities),
        text: text.join(" "),
      };
      return (end) => end.module.event(event);
    },
  },
  health: {
    args: "good|bad",
    about: "what a self-test will find",
    words: [1, 1],
    read([word = ""]) {
      const healthy = oneOf(word, ["good", "bad"]) === "good";
      return (end) => {
        end.module.healthy = healthy;
      };
    },
  },
  zeroize: {
    args: "",
    about: "the module destroys its keys, as by its own button",
    words: [0, 0],
    read: () => (end) => end.module.zeroize(),
  },
};

/** Done to the link. */
export const pairCommands: Readonly<Record<string, PairSpec>> = {
  set: {
    args: "CONDITION VALUE [over TIME]",
    about: `physics: ${Object.keys(conditions).join(", ")}; at once, or evenly over a time`,
    words: [2, 4],
    read([name = "", value = "", over, time]) {
      const known = Object.keys(conditions) as ConditionName[];
      const condition = oneOf(name, known);
      const { least, most } = conditions[condition];
      const target = number(value, least, most);
      if (over !== undefined) oneOf(over, ["over"]);
      const seconds = over === undefined ? 0 : duration(time ?? "") / 1_000;
      return (pair) => {
        if (pair.link === undefined) {
          throw new Fault("config.value", "this pair has no physics: start it with --preset");
        }
        pair.link.change(condition, target, seconds);
        return `${condition} is ${target}${seconds > 0 ? ` in ${time}` : ""}`;
      };
    },
  },
  overflow: {
    args: "on|off",
    about: "full modules throw blocks away, at both ends, instead of waiting",
    words: [1, 1],
    read([word = ""]) {
      const on = oneOf(word, ["on", "off"]) === "on";
      return (pair) => {
        pair.overflows = on;
        return `full modules ${on ? "overflow" : "wait"}`;
      };
    },
  },
  start: {
    args: "",
    about: "distil",
    words: [0, 0],
    read: () => (pair) => {
      for (const { module } of pair.ends) module.running = true;
      return "distilling";
    },
  },
  stop: {
    args: "",
    about: "stop distilling; held keys stay",
    words: [0, 0],
    read: () => (pair) => {
      for (const { module } of pair.ends) module.running = false;
      return "stopped";
    },
  },
  status: {
    args: "",
    about: "what the pair does",
    words: [0, 0],
    read: () => (pair) => {
      const ends = pair.ends.map(({ module, port, line }) => {
        const plugged = port.plugged ? module.state : "unplugged";
        return `${module.identity.role} ${plugged}, ${module.heldBlocks} held, ${line.faults} faults`;
      });
      return `${pair.distilledBlocks} blocks, ${pair.distilledBits} bit; ${ends.join("; ")}`;
    },
  },
};

const endNames = ["alice", "bob", "both"] as const;

function counted(words: readonly string[], name: string, spec: Spec): void {
  const [least, most] = spec.words;
  if (words.length >= least && words.length <= most) return;
  throw new Fault("config.value", `${name} is written: ${name} ${spec.args}`.trimEnd());
}

/**
 * Reads a command: `set eve 0.3 over 5m`, `bob unplug`, `both ber 1e-5`.
 * @throws Fault `config.value` that names the word which is wrong
 */
export function readCommand(line: string): Action {
  const [first = "", ...rest] = line.trim().split(/\s+/);
  const forPair = pairCommands[first];
  if (forPair !== undefined) {
    counted(rest, first, forPair);
    return forPair.read(rest);
  }
  const known = [...Object.keys(pairCommands), ...endNames];
  const which = oneOf(first, known) as (typeof endNames)[number];
  const [name = "", ...words] = rest;
  const command = oneOf(name, Object.keys(endCommands));
  const spec = endCommands[command] as EndSpec;
  counted(words, command, spec);
  const act = spec.read(words);
  return (pair) => {
    const ends = which === "both" ? pair.ends : [pair[which]];
    for (const end of ends) act(end, pair);
    return `${which}: ${[command, ...words].join(" ")}`;
  };
}

/** Lines of help, for a terminal. */
export function commandHelp(): string[] {
  const lines = (prefix: string, table: Readonly<Record<string, Spec>>) =>
    Object.entries(table).flatMap(([name, { args, about }]) => {
      const head = `  ${prefix}${name} ${args}`.trimEnd();
      return head.length < 38
        ? [`${head.padEnd(38)}${about}`]
        : [head, `${" ".repeat(38)}${about}`];
    });
  return [...lines("", pairCommands), ...lines("alice|bob|both ", endCommands)].flatMap(wrap);
}

function wrap(line: string): string[] {
  if (line.length <= 80) return [line];
  const cut = line.lastIndexOf(" ", 80);
  return [line.slice(0, cut), ...wrap(`${" ".repeat(38)}${line.slice(cut + 1)}`)];
}
