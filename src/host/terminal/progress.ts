/** A bar for what takes long, on standard error and on a terminal only. */
import { toAscii, wantsAscii } from "./ascii.ts";

const cells = 24;

export interface Progress {
  /** @param done 0 to 1 */
  show(done: number, what: string): void;
  end(): void;
}

const silent: Progress = { show: () => {}, end: () => {} };

/** @param wanted whether a person looks: no bar goes with --json */
export function progress(
  err: NodeJS.WriteStream,
  env: NodeJS.ProcessEnv,
  wanted: boolean,
): Progress {
  if (!wanted || err.isTTY !== true || env.TERM === "dumb") return silent;
  const ascii = wantsAscii(env, true);
  return {
    show(done, what) {
      const full = Math.round(Math.min(1, Math.max(0, done)) * cells);
      const line = `${"█".repeat(full)}${"░".repeat(cells - full)} ${what.slice(0, 50)}`;
      err.write(`\r\u001b[K${ascii ? toAscii(line) : line}`);
    },
    end: () => err.write("\r\u001b[K"),
  };
}

/** Shows how long something has been going on, against the time that it may take. */
export async function elapsing<T>(
  bar: Progress,
  what: string,
  limitMs: number,
  work: Promise<T>,
): Promise<T> {
  const begun = performance.now();
  const draw = () => {
    const ms = performance.now() - begun;
    bar.show(ms / limitMs, `${what}: ${Math.floor(ms / 1_000)} s of at most ${limitMs / 1_000} s`);
  };
  // What is over at once needs no bar.
  const timer = setInterval(draw, 300);
  try {
    return await work;
  } finally {
    clearInterval(timer);
    bar.end();
  }
}
