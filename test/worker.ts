/**
 * Loaded into each process that runs a test file: it is named after the file, for the run to tell who
 * holds it, and what it started does not outlive it, however it ends.
 */
import { appendFileSync, readdirSync, readFileSync, writeSync } from "node:fs";
import { flushCompileCache } from "node:module";
import { relative } from "node:path";
import { fileURLToPath } from "node:url";
import test from "ava";

process.title = relative(process.cwd(), fileURLToPath(test.meta.file));

/** Processes that this one started, and those that they started. */
function descendants(): number[] {
  const children = new Map<number, number[]>();
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    try {
      // The name before may have any character in it; after it are the state and the parent.
      const stat = readFileSync(`/proc/${name}/stat`, "latin1");
      const parent = Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
      children.set(parent, [...(children.get(parent) ?? []), Number(name)]);
    } catch {
      // It has ended meanwhile.
    }
  }
  const found = [process.pid];
  for (const pid of found) found.push(...(children.get(pid) ?? []));
  return found.slice(1);
}

/** Ends what this process started and left running, and says what that was. */
function endAll(): void {
  for (const pid of descendants()) {
    try {
      const line = readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ").trim();
      process.kill(pid, "SIGKILL");
      if (line !== "") writeSync(2, `${process.title} left running: ${line.slice(0, 160)}\n`);
    } catch {
      // It has ended meanwhile, or is another user's.
    }
  }
}

/** Hundredths of a second of a processor that were told already. */
let told = 0;

/**
 * Tells `--slowest` what was spent since it was told last: seconds of a processor, of this process and of
 * those that it started and that have ended.
 * @param title whose they are
 */
export function tellCost(title: string): void {
  const file = process.env.QKD_TEST_COSTS;
  if (file === undefined) return;
  const stat = readFileSync("/proc/self/stat", "latin1");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  // utime, stime, cutime and cstime, in hundredths of a second.
  const ticks = fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0);
  appendFileSync(file, `${(ticks - told) / 100} ${title}\n`);
  told = ticks;
}

// What begins meanwhile need not compile the same once more: else it is on the disk when this process ends.
setTimeout(flushCompileCache, 5_000).unref();

process.once("exit", () => {
  tellCost(process.title);
  endAll();
});
// AVA ends so what runs too long; without this no exit is seen.
process.once("SIGTERM", () => {
  endAll();
  process.kill(process.pid, "SIGKILL");
});
