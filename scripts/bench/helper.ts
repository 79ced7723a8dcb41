/** A process of its own for the other side of a benchmark: it must not share the subject's core. */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** Others must not pause while a subject is measured: with room for what a round makes they rarely collect. */
const execArgv = ["--max-semi-space-size=32"];

/** Nor should they give memory back to the system that they need again for the next block. */
const env = {
  ...process.env,
  MALLOC_TRIM_THRESHOLD_: "1000000000",
  MALLOC_MMAP_THRESHOLD_: "1000000000",
  MALLOC_TOP_PAD_: "67108864",
};

/**
 * Runs `body` beside a program of this folder, in a folder of its own; the program tells something
 * when it is ready.
 * @param args of the program, after the folder
 */
export async function beside<T>(
  program: string,
  args: readonly (string | number)[],
  body: (folder: string, told: unknown, child: ChildProcess) => Promise<T>,
): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), "qkd-bench-"));
  const path = fileURLToPath(new URL(program, import.meta.url));
  const child: ChildProcess = fork(path, [folder, ...args.map(String)], { execArgv, env });
  try {
    const gone = once(child, "exit").then(([code]) => {
      throw new Error(`${program} ended with ${code}`);
    });
    const ready = once(child, "message");
    const [told] = await Promise.race([ready, gone]);
    gone.catch(() => {});
    return await body(folder, told, child);
  } finally {
    const ended = child.exitCode === null ? once(child, "exit") : undefined;
    child.kill("SIGKILL");
    await ended;
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Asks a program of {@link beside} for what it noted. */
export async function ask<T>(child: ChildProcess): Promise<T> {
  const answer = once(child, "message");
  child.send("tell");
  const [told] = await answer;
  return told as T;
}
