/** `npm run bench`: every benchmark, each beside a bare baseline in the same run. */
import { cpus, loadavg } from "node:os";
import { parseArgs } from "node:util";
import { guardOutput } from "../tool.ts";
import { applicationCoreBenchmarks } from "./application-cores.ts";
import { manyApplicationBenchmarks } from "./application-many.ts";
import { applicationBenchmarks } from "./applications.ts";
import { controllerBenchmarks } from "./controller.ts";
import { manyKmsBenchmarks } from "./controller-many.ts";
import { etsi014Benchmarks } from "./etsi014.ts";
import { growthBenchmarks } from "./growth.ts";
import { kmBenchmarks } from "./km.ts";
import { kq1Benchmarks } from "./kq1.ts";
import { kq1ModeBenchmarks } from "./kq1-modes.ts";
import { ledgerBenchmarks } from "./ledger.ts";
import { linkBenchmarks } from "./links.ts";
import { type Benchmark, type Figure, measure } from "./measure.ts";
import { pageBenchmarks } from "./page.ts";
import { pathBenchmarks } from "./path.ts";
import { processBenchmarks } from "./process.ts";
import { relayBenchmarks } from "./relay.ts";
import { rerouteBenchmarks } from "./reroute.ts";
import { sha256Benchmarks } from "./sha256.ts";

const benchmarks: readonly Benchmark[] = [
  ...linkBenchmarks,
  ...kq1Benchmarks,
  ...kq1ModeBenchmarks,
  ...pathBenchmarks,
  ...etsi014Benchmarks,
  ...sha256Benchmarks,
  ...kmBenchmarks,
  ...applicationBenchmarks,
  ...manyApplicationBenchmarks,
  ...applicationCoreBenchmarks,
  ...relayBenchmarks,
  ...ledgerBenchmarks,
  ...growthBenchmarks,
  ...processBenchmarks,
  ...pageBenchmarks,
  ...controllerBenchmarks,
  ...manyKmsBenchmarks,
  ...rerouteBenchmarks,
];

const names = benchmarks.map(({ name, slow }) => (slow === true ? `${name} (slow)` : name));
const usage = `npm run bench -- [options]: how fast, beside a bare baseline in the same run

  --only TEXT    only benchmarks whose name begins with TEXT
  --quick        one short round of each but the slow ones: within 2 minutes
  --rounds N     rounds of each (default 3)
  --seconds N    length of a round, about (default 2)
  --json         one JSON object instead of a table
  --help

  ${names.join("\n  ")}

Exit codes: 0 all that ought to be reached was, 1 something was not or has no
figure, 64 wrong command line, 74 the output cannot be written. Figures of a
machine with other work to do are worth little: the CPU time of each key and the
ratio to the baseline are worth most.
`;

function digits(value: number): string {
  if (value >= 1_000) return Math.round(value).toLocaleString("en-US");
  return value >= 100 ? value.toFixed(0) : value.toPrecision(3);
}

const columns = [20, 17, 15, 12, 9, 6] as const;

/** One line of the table. */
function line(...cells: readonly string[]): string {
  return cells
    .map((cell, i) => cell.padEnd(columns[i] ?? 0))
    .join(" ")
    .trimEnd();
}

function row(figure: Figure): string {
  const { name, median, spread, unit, cores, each, baseline, ratio, reached, notes } = figure;
  const cost =
    each !== undefined
      ? `${digits(each)} µs`
      : cores === undefined
        ? ""
        : `${cores.toFixed(2)} cores`;
  const told = reached === undefined ? "" : reached ? "yes" : "NO";
  const first = line(
    name,
    `${digits(median)} ${unit}`,
    `${digits(spread[0])}–${digits(spread[1])}`,
    cost,
    baseline === undefined ? "" : digits(baseline),
    ratio === undefined ? "" : ratio.toFixed(2),
    told,
  );
  const more = Object.entries(notes).map(([what, value]) => `${what} ${digits(value)}`);
  return more.length === 0 ? first : `${first}\n  ${more.join(" · ")}`;
}

function parse(args: string[]) {
  const text = { type: "string" } as const;
  const { values } = parseArgs({
    args,
    options: {
      only: text,
      rounds: text,
      seconds: text,
      quick: { type: "boolean" },
      json: { type: "boolean" },
      help: { type: "boolean", short: "h" },
    },
  });
  const { quick = false } = values;
  const rounds = Number(values.rounds ?? (quick ? 1 : 3));
  const seconds = Number(values.seconds ?? (quick ? 0.5 : 2));
  if (!Number.isSafeInteger(rounds) || rounds < 1) throw new Error("--rounds: 1 or more");
  if (!(seconds >= 0.1)) throw new Error("--seconds: 0.1 or more");
  return { ...values, quick, rounds, seconds };
}

async function main(args: string[]): Promise<number> {
  guardOutput("bench");
  let options: ReturnType<typeof parse>;
  try {
    options = parse(args);
  } catch (error) {
    process.stderr.write(`bench: ${(error as Error).message}\n\n${usage}`);
    return 64;
  }
  const { only = "", rounds, seconds, quick, json, help } = options;
  if (help) {
    process.stdout.write(usage);
    return 0;
  }
  const alive = setInterval(() => {}, 60_000);
  const [processor] = cpus();
  const machine = `${cpus().length} × ${processor?.model ?? "?"}, Node.js ${process.version}`;
  const load = loadavg()[0] as number;
  if (!json) {
    process.stdout.write(`${machine}, load ${load.toFixed(1)} before\n\n`);
    process.stdout.write(
      `${line("", "median", "spread", "CPU, each", "baseline", "ratio", "reached")}\n`,
    );
  }
  const figures: Figure[] = [];
  const failed: { readonly name: string; readonly why: string }[] = [];
  for (const benchmark of benchmarks) {
    if (!benchmark.name.startsWith(only) || (quick && benchmark.slow)) continue;
    try {
      const figure = await measure(benchmark, rounds, seconds);
      figures.push(figure);
      if (!json) process.stdout.write(`${row(figure)}\n`);
    } catch (error) {
      // The others are measured all the same.
      const { name } = benchmark;
      const why = error instanceof Error ? error.message : String(error);
      failed.push({ name, why });
      if (!json) process.stdout.write(`${line(name, "no figure")}\n  ${why}\n`);
    }
  }
  if (json)
    process.stdout.write(`${JSON.stringify({ machine, load, figures, failed }, null, 2)}\n`);
  clearInterval(alive);
  return failed.length === 0 && figures.every(({ reached }) => reached !== false) ? 0 : 1;
}

process.exitCode = await main(process.argv.slice(2));
