/** Where the commands print: colours and width as the terminal has them, and none elsewhere. */

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
  /** Somebody looks at it, and it can be drawn over. */
  readonly live: boolean;
  say(text: string): void;
  complain(text: string): void;
}

/** @param env `NO_COLOR` (no-color.org) and `TERM=dumb` are respected */
export function openTerminal(
  out: NodeJS.WriteStream,
  err: NodeJS.WriteStream,
  env: NodeJS.ProcessEnv,
): Terminal {
  const live = out.isTTY === true && env.TERM !== "dumb";
  const coloured = live && (env.NO_COLOR ?? "") === "";
  // Whoever reads it may have seen enough: `qkd-node events | head`.
  out.on("error", (error: NodeJS.ErrnoException) => {
    process.exit(error.code === "EPIPE" ? 0 : 74);
  });
  return {
    paint: coloured ? colours : noColours,
    width: live ? Math.max(40, Math.min(120, out.columns || 80)) : 80,
    live,
    say: (text) => out.write(`${text}\n`),
    complain: (text) => err.write(`${text}\n`),
  };
}

/**
 * Text of somebody else on a terminal: control characters, which could move the cursor or change
 * colours, are shown instead of obeyed.
 */
export function tidy(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g, "·");
}

/** Columns that a text takes; every character here is one wide. */
export function visible(text: string): number {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the colours of this file
  return [...text.replace(/\u001b\[\d+m/g, "")].length;
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
