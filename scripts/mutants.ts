/**
 * `npm run mutants`: plants one small mistake at a time in a copy of the sources, runs the tests of that
 * room, and tells which mistakes no test finds.
 */
import { spawn } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { wrap } from "../src/host/terminal/table.ts";
import { random } from "../test/random.ts";
import { endWith, readOptions } from "../test/sim/command-line.ts";
import { draw, type Mutant } from "./mutants.d/mutate.ts";
import { rooms } from "./mutants.d/rooms.ts";
import { runTool } from "./tool.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
/** A mistake that makes its room's tests last longer than this is found: nothing ends. */
const deadlineMs = 120_000;

const usage = `npm run mutants -- [options]: small mistakes that no test finds

  --seed N     others than those of 1
  --only ROOM  one of these:
               ${wrap(rooms.map(({ name }) => name).join(", "), 64).join("\n               ")}
  --count N    so many of each room
  --help

Exit codes: 0 all were tried, 1 with a reason, 64 wrong command line, 74 the
output cannot be written.
`;

const values = readOptions(usage, {
  seed: { type: "string", default: "1" },
  only: { type: "string" },
  count: { type: "string" },
});
const seed = Number(values.seed);
const chosen = rooms.filter(({ name }) => values.only === undefined || name === values.only);
if (!Number.isSafeInteger(seed)) endWith("--seed: expected a whole number", usage);
const { count: wanted } = values;
if (wanted !== undefined && !/^[1-9]\d{0,5}$/.test(wanted)) {
  endWith("--count: expected 1 to 999999", usage);
}
if (chosen.length === 0) endWith(`no such room: ${values.only}`, usage);

let copy = "";
let running: ReturnType<typeof spawn> | undefined;
const stop = () => {
  if (running?.pid !== undefined) process.kill(-running.pid, "SIGKILL");
  if (copy !== "") rmSync(copy, { recursive: true, force: true });
};
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.once(signal, () => {
    stop();
    process.exit(1);
  });
}

/** Whether all tests pass; false as soon as one does not, or at the deadline. */
function passes(tests: readonly string[]): Promise<boolean> {
  return new Promise((resolve) => {
    const child = spawn(join(root, "node_modules/.bin/ava"), ["--fail-fast", ...tests], {
      cwd: copy,
      stdio: "ignore",
      detached: true,
      env: { ...process.env, PATH: `${join(root, "node_modules/.bin")}:${process.env.PATH}` },
    });
    running = child;
    const end = () => child.pid !== undefined && process.kill(-child.pid, "SIGKILL");
    const timer = setTimeout(end, deadlineMs);
    child.once("close", (code) => {
      clearTimeout(timer);
      running = undefined;
      resolve(code === 0);
    });
  });
}

function told({ file, line, what }: Mutant): string {
  return `${file}:${line}  ${what}`;
}

/** What is found has no meaning then. */
class FailsAnyway extends Error {}

async function main(): Promise<number> {
  copy = mkdtempSync(join(tmpdir(), "qkd-mutants-"));
  for (const part of ["src", "drivers", "test", "scripts", "contract", "docs", "package.json"]) {
    cpSync(join(root, part), join(copy, part), { recursive: true });
  }
  symlinkSync(join(root, "node_modules"), join(copy, "node_modules"));
  const survivors: string[] = [];
  const sums: string[] = [];
  let all = 0;
  for (const room of chosen) {
    if (!(await passes(room.tests)))
      throw new FailsAnyway(`${room.name}: its tests fail without a mistake`);
    const count = wanted === undefined ? room.count : Number(wanted);
    const mutants = draw(root, room, count, random(seed));
    let survived = 0;
    for (const mutant of mutants) {
      const target = join(copy, mutant.file);
      const original = readFileSync(target, "utf8");
      writeFileSync(target, mutant.text);
      const found = !(await passes(room.tests));
      writeFileSync(target, original);
      process.stdout.write(`${found ? "killed  " : "SURVIVED"}  ${told(mutant)}\n`);
      if (found) continue;
      survived++;
      survivors.push(told(mutant));
    }
    all += mutants.length;
    sums.push(`${room.name}: ${survived} of ${mutants.length} survived`);
  }
  process.stdout.write(`\nseed ${seed}, ${all} mutants\n${sums.join("\n")}\n`);
  for (const one of survivors) process.stdout.write(`  ${one}\n`);
  return 0;
}

await runTool(
  "mutants",
  () => main().finally(stop),
  (error) => error instanceof FailsAnyway,
);
