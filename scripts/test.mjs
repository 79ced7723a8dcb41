/**
 * `npm test`: the tests, by AVA, whose options it takes, without those of the whole run (`test/whole-run.ts`), which
 * `npm run test:whole` has, and whatever names them. `npm test -- --slowest` ends with the ten tests
 * that took longest, and the ten files that cost most. The run has an end of its own: at its deadline it says what still runs, and ends that.
 * Programs that tests start are those of a production build, unless `QKD_PROGRAMS` names another.
 */
import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { wrongEnvironment, wrongOption } from "./test-options.mjs";
import { testPrograms } from "./test-programs.mjs";

const ava = fileURLToPath(new URL("../node_modules/.bin/ava", import.meta.url));
const args = process.argv.slice(2);
const wrong = wrongOption(args) ?? wrongEnvironment(process.env);
if (wrong !== undefined) {
  process.stderr.write(`npm test: ${wrong}\nTry: npm test -- --help\n`);
  process.exit(64);
}
const slowest = args.includes("--slowest");
const rest = args.filter((word) => word !== "--slowest" && word !== "--whole");
// All of it: small test files share processes then. What is named runs by itself, and whole.
const named = rest.some(
  (word) => !["--tap", "-t", "--verbose", "-v", "--fail-fast"].includes(word),
);
const campaigns = process.env.QKD_CAMPAIGNS ?? (args.includes("--whole") ? "ci" : undefined);
const short = !named && campaigns === undefined;
const minutes = Number(process.env.QKD_TEST_MINUTES ?? (campaigns === undefined ? 20 : 45));
/** In the environment of all that the run starts. */
const mark = `QKD_TEST_RUN=${randomUUID()}`;

/** Seconds of what AVA prints as `1m 2.5s` or `120ms`. @param {string} text */
function seconds(text) {
  const units = { ms: 0.001, s: 1, m: 60 };
  return [...text.matchAll(/([\d.]+)(ms|s|m)/g)].reduce(
    (sum, [, n, unit]) => sum + Number(n) * units[unit],
    0,
  );
}

/** Processes of this run: test files by their names, and what they started. */
function running() {
  const found = [];
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    try {
      if (Number(pid) === process.pid) continue;
      if (!readFileSync(`/proc/${pid}/environ`, "latin1").includes(mark)) continue;
      const line = readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ").trim();
      found.push({ pid: Number(pid), line });
    } catch {
      // It has ended meanwhile, or is another user's.
    }
  }
  return found;
}

/** Says what still runs, and ends it. @param {string} why @param {string} [not] not named: the runner */
function endAll(why, not) {
  const left = running();
  const named = left.filter(({ line }) => not === undefined || !line.includes(not));
  if (named.length > 0) process.stderr.write(`\n  ${why}:\n`);
  for (const { pid, line } of named) process.stderr.write(`    ${pid} ${line.slice(0, 160)}\n`);
  for (const { pid } of left) {
    try {
      process.kill(pid, "SIGKILL");
    } catch {
      // It has ended meanwhile.
    }
  }
  return named.length;
}

/** Each test file writes into it, once or more: seconds of a processor, and its name. */
const costs = slowest ? join(mkdtempSync(join(tmpdir(), "qkd-test-costs-")), "costs") : undefined;
if (costs !== undefined) writeFileSync(costs, "");

/** @param {{ took: number, title: string }[]} list */
function topTen(list) {
  for (const { took, title } of list.sort((a, b) => b.took - a.took).slice(0, 10)) {
    process.stdout.write(`${took.toFixed(1).padStart(8)} s  ${title}\n`);
  }
}

/** @param {string} file */
function tellSlowest(file) {
  process.stdout.write("\n  the slowest:\n");
  topTen(tests);
  /** @type {Map<string, number>} */
  const costOf = new Map();
  for (const line of readFileSync(file, "utf8").split("\n").slice(0, -1)) {
    const at = line.indexOf(" ");
    const title = line.slice(at + 1);
    costOf.set(title, (costOf.get(title) ?? 0) + Number(line.slice(0, at)));
  }
  const files = [...costOf].map(([title, took]) => ({ took, title }));
  const sum = files.reduce((all, { took }) => all + took, 0);
  process.stdout.write(`\n  of ${sum.toFixed(0)} s of a processor most:\n`);
  topTen(files);
  rmSync(dirname(file), { recursive: true });
}

const [name, id] = mark.split("=");
const child = spawn(ava, named ? rest : ["--config", "ava.whole.config.mjs", ...rest], {
  stdio: ["inherit", slowest ? "pipe" : "inherit", "inherit"],
  env: {
    ...process.env,
    QKD_PROGRAMS: process.env.QKD_PROGRAMS ?? testPrograms(),
    QKD_TESTS: short ? "short" : "whole",
    ...(campaigns !== undefined && { QKD_CAMPAIGNS: campaigns }),
    ...(costs && { QKD_TEST_COSTS: costs }),
    [name]: id,
  },
});
/** @type {{ took: number, title: string }[]} */
const tests = [];
if (slowest) {
  let line = "";
  child.stdout.setEncoding("utf8").on("data", (text) => {
    process.stdout.write(text);
    const lines = (line + text).split("\n");
    line = lines.pop() ?? "";
    for (const one of lines) {
      const [, title, took] = /^\s+[✔✘] (.*) \(((?:[\d.]+(?:ms|s|m) ?)+)\)/.exec(one) ?? [];
      if (title !== undefined) tests.push({ took: seconds(took), title });
    }
  });
}
let late = false;
/** @param {string} why */
function end(why) {
  late = true;
  endAll(`${why}: these hold the run, and are ended`, ".bin/ava");
}
const deadline = setTimeout(() => end(`not over within ${minutes} min`), minutes * 60_000);
process.on("SIGINT", () => child.kill("SIGINT"));
// As CI does when its own time is up.
process.on("SIGTERM", () => end("stopped"));
// What a test left running may hold the output open: the runner's exit is the end.
child.once("exit", (code, signal) => {
  clearTimeout(deadline);
  setTimeout(() => {
    if (!late) endAll("left running by a test, and ended");
    if (costs !== undefined) tellSlowest(costs);
    if (short) process.stderr.write("\n  this was the short run; all of it: npm run test:whole\n");
    process.exit(late || signal !== null ? 1 : (code ?? 1));
  }, 500);
});
