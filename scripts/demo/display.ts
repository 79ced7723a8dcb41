/** Keeps a picture of the show on a terminal, or lines elsewhere, up to date. */
import { systemClock } from "../../src/base/clock.ts";
import { colours, type Keys, noColours, type Paint } from "./text.ts";

/** What is shown. */
export interface View {
  /** Once a second. */
  remember(): void;
  /** @param now monotonic, ms */
  line(now: number): string;
  picture(
    now: number,
    paint: Paint,
    size: { readonly rows: number; readonly columns: number },
    happened: Keys["happened"],
  ): string[];
}

export interface Display {
  /** A key was pressed, and this is what it did. */
  tell(text: string): void;
  stop(): void;
}

const clock = systemClock;

/** @param quiet nothing is shown */
export function display(view: View, quiet: boolean): Display {
  if (quiet) return { tell: () => {}, stop: () => {} };
  const terminal = process.stderr.isTTY === true;
  let happened: { readonly text: string; readonly at: number } | undefined;
  let height = 0;
  const draw = () => {
    const now = clock.now();
    if (!terminal) {
      process.stderr.write(`${view.line(now)}\n`);
      return;
    }
    const paint = process.env.NO_COLOR === undefined ? colours : noColours;
    const { rows = 24, columns = 80 } = process.stderr;
    // A terminal of unknown size says 0.
    const size = { rows: rows || 24, columns: columns || 80 };
    const told = happened && { text: happened.text, ago: (now - happened.at) / 1_000 };
    const lines = view.picture(now, paint, size, told);
    // Written over line by line: to wipe it first flickers, and fills a terminal's memory with pictures.
    const up = height === 0 ? "" : `\u001b[${height}A\r`;
    height = lines.length;
    process.stderr.write(`${up}${lines.map((one) => `${one}\u001b[K\n`).join("")}\u001b[J`);
  };
  const remember = setInterval(() => view.remember(), 1_000);
  const timer = setInterval(draw, terminal ? 250 : 1_000);
  return {
    tell(text) {
      happened = { text, at: clock.now() };
      draw();
    },
    stop() {
      clearInterval(timer);
      clearInterval(remember);
      draw();
    },
  };
}
