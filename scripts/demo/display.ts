/** Keeps a picture of the show on a terminal, or lines elsewhere, up to date. */
import { systemClock } from "../../src/base/clock.ts";
import { longerBy, toAscii, wantsAscii } from "../../src/host/terminal/ascii.ts";
import { colours, type Keys, noColours, type Paint, withoutBars } from "./text.ts";

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

/** Standard error is a terminal that can be drawn over: one that is dumb gets lines, as a file does. */
export function hasScreen(): boolean {
  return process.stderr.isTTY === true && process.env.TERM !== "dumb";
}

/** @param quiet nothing is shown */
export function display(view: View, quiet: boolean): Display {
  if (quiet) return { tell: () => {}, stop: () => {} };
  const terminal = hasScreen();
  const ascii = wantsAscii(process.env, process.stderr.isTTY === true);
  const lettered = (text: string) => (ascii ? toAscii(withoutBars(text)) : text);
  let happened: { readonly text: string; readonly at: number } | undefined;
  let height = 0;
  const draw = () => {
    const now = clock.now();
    if (!terminal) {
      process.stderr.write(`${lettered(view.line(now))}\n`);
      return;
    }
    const paint = (process.env.NO_COLOR ?? "") === "" ? colours : noColours;
    const { rows = 24, columns = 80 } = process.stderr;
    // A terminal of unknown size says 0.
    const size = { rows: rows || 24, columns: (columns || 80) - (ascii ? longerBy : 0) };
    const told = happened && { text: happened.text, ago: (now - happened.at) / 1_000 };
    const lines = view.picture(now, paint, size, told);
    // Written over line by line: to wipe it first flickers, and fills a terminal's memory with pictures.
    const up = height === 0 ? "" : `\u001b[${height}A\r`;
    height = lines.length;
    process.stderr.write(
      `${up}${lines.map((one) => `${lettered(one)}\u001b[K\n`).join("")}\u001b[J`,
    );
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
