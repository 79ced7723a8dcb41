/** What all pictures of the show are made of: colours, lines that fit a terminal, keys to press. Pure text. */
import type { Scene } from "./scenes.ts";

/** ANSI colours, or none. */
export interface Paint {
  good(text: string): string;
  bad(text: string): string;
  dim(text: string): string;
  bold(text: string): string;
}

const code = (n: number) => (text: string) => `\u001b[${n}m${text}\u001b[0m`;
export const plain = (text: string) => text;

export const colours: Paint = { good: code(32), bad: code(31), dim: code(2), bold: code(1) };
export const noColours: Paint = { good: plain, bad: plain, dim: plain, bold: plain };

export function rate(bitsPerSecond: number): string {
  const units = ["bit/s", "kbit/s", "Mbit/s", "Gbit/s"];
  let value = bitsPerSecond;
  let unit = 0;
  for (; value >= 1_000 && unit < units.length - 1; unit++) value /= 1_000;
  return `${value.toFixed(value < 10 && unit > 0 ? 1 : 0)} ${units[unit]}`;
}

const bars = "▁▂▃▄▅▆▇█";

/** QBER from 0 to 12 %, one character a second, the newest on the right. */
export function sparkline(values: readonly (number | undefined)[], seconds = 24): string {
  return values
    .slice(-seconds)
    .map((qber) =>
      qber === undefined
        ? " "
        : bars[Math.min(bars.length - 1, Math.floor((qber / 0.12) * bars.length))],
    )
    .join("");
}

/** Bars and lines in signs of ASCII, each as wide as it was. */
export function withoutBars(text: string): string {
  return text
    .replaceAll("═", "=")
    .replaceAll(/[▁-█]/g, (bar) => "._-=+*%#"[bars.indexOf(bar)] ?? bar);
}

/** What a node told last: of one that is not there it holds no longer, and is not shown as a state. */
export function asTold(text: string, good: boolean, isOnline: boolean, paint: Paint): Cell {
  if (!isOnline) return { text: "–", paint: paint.dim };
  return { text, paint: good ? paint.good : paint.bad };
}

export interface Line {
  readonly text: string;
  /** Left out where there is no room: the highest first. Default 0: it stays. */
  readonly spare?: number;
}

export interface Cell {
  readonly text: string;
  readonly paint: (text: string) => string;
}

/** Cuts a line with colours in it to the width of the terminal. */
export function cutTo(line: string, columns: number): string {
  let width = 0;
  let out = "";
  // biome-ignore lint/suspicious/noControlCharactersInRegex: colours begin with one
  for (const part of line.matchAll(/\u001b\[\d+m|./gsu)) {
    if (part[0].startsWith("\u001b")) out += part[0];
    else if (width < columns) {
      width++;
      out += part[0];
    }
  }
  return out;
}

export function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + word.length < width) {
      lines[lines.length - 1] = `${last} ${word}`;
    } else lines.push(word);
  }
  return lines;
}

export interface Keys {
  /** Keys that may be pressed. */
  readonly scenes: readonly Scene[];
  /** What the last one did, and how many seconds ago. */
  readonly happened?: { readonly text: string; readonly ago: number } | undefined;
}

export function keys({ scenes, happened }: Keys, paint: Paint): Line[] {
  if (scenes.length === 0) return [{ text: ` ${paint.dim("Ctrl-C stops all")}` }];
  const said =
    happened === undefined
      ? ["Press a key, and watch what happens:"]
      : wrap(`${happened.text} (${happened.ago.toFixed(0)} s ago)`, 76);
  const offers = [...scenes.map(({ key, label }) => [key, label()]), ["q", "end"]];
  // One that is not parted, and has two spaces after it.
  const words = offers.map(([key, label]) => `[${key}] ${label} `.replaceAll(" ", "\u00a0"));
  const lines = wrap(words.join(" "), 79);
  return [
    ...said.map((text): Line => ({ text: ` ${happened === undefined ? paint.dim(text) : text}` })),
    ...lines.map((line): Line => {
      const text = line.replaceAll("\u00a0", " ").trimEnd();
      return { text: ` ${text.replaceAll(/\[.\]/g, (key) => paint.bold(key))}` };
    }),
  ];
}

/**
 * What to type next: in the shell's own way to go on in the next line, each can be copied as it is. Where there is no
 * room the last is left out first, and whole: half a command is none.
 */
export function commands(items: readonly string[], paint: Paint): Line[] {
  const lines = items.flatMap((command, nth) => {
    const parts = wrap(command, 74);
    // Less than any row's.
    const spare = (0.4 * (nth + 1)) / items.length;
    return parts.map((line, i): Line => {
      const text = `   ${i > 0 ? "  " : ""}${line}${i < parts.length - 1 ? " \\" : ""}`;
      return { text, spare };
    });
  });
  return [
    { text: ` ${paint.dim("and next, in a browser and in another terminal:")}`, spare: 3 },
    ...lines,
  ];
}

/** As many lines as a terminal has room for, each as long as it is wide. */
export function fitted(
  all: readonly Line[],
  size: { readonly rows: number; readonly columns: number },
): string[] {
  let lines = all;
  while (lines.length > size.rows - 1) {
    const most = Math.max(...lines.map(({ spare = 0 }) => spare));
    if (most === 0) break;
    lines = lines.filter(({ spare = 0 }) => spare !== most);
  }
  return lines.slice(0, Math.max(1, size.rows - 1)).map(({ text }) => cutTo(text, size.columns));
}
