/** Where the commands print: colours, width and letters as the terminal has them, and none elsewhere. */

import { errorCode } from "../../base/errors.ts";
import { exit } from "../../base/exit-codes.ts";
import { longerBy, toAscii, wantsAscii } from "./ascii.ts";
import { columnsOf } from "./columns.ts";

export interface Paint {
  readonly good: (text: string) => string;
  readonly bad: (text: string) => string;
  readonly warn: (text: string) => string;
  readonly dim: (text: string) => string;
  readonly bold: (text: string) => string;
}

const code = (n: number) => (text: string) => `\u001b[${n}m${text}\u001b[0m`;
const plain = (text: string) => text;

const colours: Paint = {
  good: code(32),
  bad: code(31),
  warn: code(33),
  dim: code(2),
  bold: code(1),
};
export const noColours: Paint = { good: plain, bad: plain, warn: plain, dim: plain, bold: plain };

export interface Terminal {
  readonly paint: Paint;
  /** Columns. */
  readonly width: number;
  /** It is a terminal that can be drawn over. */
  readonly live: boolean;
  /** For a person: in letters that the terminal has. */
  say(text: string): void;
  /** For a program: as it is. */
  pass(text: string): void;
  complain(text: string): void;
  /** Resolves when all of it has been written; else the process ends, and says why. */
  written(): Promise<void>;
}

const reasons: Readonly<Record<string, string>> = {
  ENOSPC: "no space left",
  EDQUOT: "the quota is used up",
  EFBIG: "the file would be too large",
  EIO: "input/output error",
};

/**
 * @param env `NO_COLOR` (no-color.org) and `TERM=dumb` are respected, and the locale's letters
 * @param program as messages name it
 */
export function openTerminal(
  out: NodeJS.WriteStream,
  err: NodeJS.WriteStream,
  env: NodeJS.ProcessEnv,
  program = "qkd-node",
): Terminal {
  const live = out.isTTY === true && env.TERM !== "dumb";
  const coloured = live && (env.NO_COLOR ?? "") === "";
  const ascii = wantsAscii(env, out.isTTY === true);
  const asciiErr = wantsAscii(env, err.isTTY === true);
  const complain = (text: string) => void err.write(`${asciiErr ? toAscii(text) : text}\n`);
  // Standard error is gone: nothing can be said about it.
  err.on("error", () => {});
  out.on("error", (error) => {
    const code = errorCode(error) ?? "unknown";
    // The reader has seen enough: `qkd-node events | head`.
    if (code === "EPIPE") process.exit(exit.ok);
    complain(`${program}: the output cannot be written: ${reasons[code] ?? code} (${code})`);
    process.exit(exit.io);
  });
  const width = live ? Math.max(40, Math.min(120, out.columns || 80)) : 80;
  return {
    paint: coloured ? colours : noColours,
    width: ascii ? width - longerBy : width,
    live,
    say: (text) => out.write(`${ascii ? toAscii(text) : text}\n`),
    pass: (text) => out.write(`${text}\n`),
    complain,
    written: () =>
      new Promise((resolve) => {
        // An error is told by an event of its own, which comes first.
        out.write("", (error) => (error ? setImmediate(resolve) : resolve()));
      }),
  };
}

/**
 * Text from outside on a terminal: control characters, which could move the cursor or change
 * colours, are shown instead of obeyed.
 */
export function tidy(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g, "·");
}

/** Columns that a text takes, with or without colours. */
export function visible(text: string): number {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the colours of this file
  return columnsOf(text.replace(/\u001b\[\d+m/g, ""));
}

/** The colour that goes with a word of state. */
export function coloured(paint: Paint, word: string): string {
  if (["UP", "ACTIVE", "OPERATING", "up", "ok", "done"].includes(word)) return paint.good(word);
  if (["DOWN", "OFF", "FAILURE", "OUT", "down", "fail", "failed"].includes(word)) {
    return paint.bad(word);
  }
  if (["critical", "major"].includes(word)) return paint.bad(word);
  if (["minor", "warning", "warn", "PASSIVE"].includes(word)) return paint.warn(word);
  return word;
}
