/**
 * `npm test`: the tests, by AVA, whose options it takes. `npm test -- --slowest` ends with the ten tests
 * that took longest.
 */
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

const ava = fileURLToPath(new URL("../node_modules/.bin/ava", import.meta.url));
const args = process.argv.slice(2);
const slowest = args.includes("--slowest");
const rest = args.filter((word) => word !== "--slowest");

/** Seconds of what AVA prints as `1m 2.5s` or `120ms`. @param {string} text */
function seconds(text) {
  const units = { ms: 0.001, s: 1, m: 60 };
  return [...text.matchAll(/([\d.]+)(ms|s|m)/g)].reduce(
    (sum, [, n, unit]) => sum + Number(n) * units[unit],
    0,
  );
}

const child = spawn(ava, rest, { stdio: ["inherit", slowest ? "pipe" : "inherit", "inherit"] });
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
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => child.kill(signal));
child.once("close", (code, signal) => {
  if (slowest) process.stdout.write("\n  the slowest:\n");
  for (const { took, title } of tests.sort((a, b) => b.took - a.took).slice(0, 10)) {
    process.stdout.write(`${took.toFixed(1).padStart(8)} s  ${title}\n`);
  }
  process.exitCode = signal === null ? (code ?? 1) : 1;
});
