/** `npm run bench`: every benchmark, each beside a bare baseline in the same run. */
import { cpus } from "node:os";
import { parseArgs } from "node:util";
import { kq1Benchmarks } from "./kq1.ts";
import { linkBenchmarks } from "./links.ts";
import { type Benchmark, type Figure, measure } from "./measure.ts";
import { pageBenchmarks } from "./page.ts";

const benchmarks: readonly Benchmark[] = [...linkBenchmarks, ...kq1Benchmarks, ...pageBenchmarks];

const usage = `npm run bench -- [options]: how fast, beside a bare baseline in the same run

  --only TEXT    only benchmarks whose name begins with TEXT
  --rounds N     rounds of each (default 3)
  --seconds N    length of a round, about (default 3)
  --json         one JSON object instead of a table
  --help

  ${benchmarks.map(({ name }) => name).join(", ")}

Exit codes: 0 all that ought to be reached was, 1 something was not, 64 wrong
command line.
`;

function digits(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toPrecision(3);
}

function row(figure: Figure): string {
  const { name, median, spread, unit, cores, baseline, ratio, reached } = figure;
  const range = `${digits(spread[0])}–${digits(spread[1])}`;
  return [
    name.padEnd(16),
    `${digits(median)} ${unit}`.padEnd(18),
    range.padEnd(13),
    (cores === undefined ? "" : cores.toFixed(2)).padEnd(6),
    (baseline === undefined ? "" : digits(baseline)).padEnd(9),
    (ratio === undefined ? "" : ratio.toFixed(2)).padEnd(6),
    reached === undefined ? "" : reached ? "yes" : "NO",
  ]
    .join(" ")
    .trimEnd();
}

async function main(args: string[]): Promise<number> {
  const text = { type: "string" } as const;
  let parsed: ReturnType<typeof parse>;
  const parse = () =>
    parseArgs({
      args,
      options: {
        only: text,
        rounds: text,
        seconds: text,
        json: { type: "boolean" },
        help: { type: "boolean", short: "h" },
      },
    });
  try {
    parsed = parse();
  } catch (error) {
    process.stderr.write(`bench: ${(error as Error).message}\n${usage}`);
    return 64;
  }
  const { only = "", rounds = "3", seconds = "3", json, help } = parsed.values;
  if (help) {
    process.stdout.write(usage);
    return 0;
  }
  const alive = setInterval(() => {}, 60_000);
  const processors = cpus();
  const machine = `${processors.length} × ${processors[0]?.model ?? "?"}, Node.js ${process.version}`;
  if (!json) {
    process.stdout.write(`${machine}\n\n`);
    process.stdout.write(
      "                 median             spread        cores  baseline  ratio  reached\n",
    );
  }
  const figures: Figure[] = [];
  for (const benchmark of benchmarks) {
    if (!benchmark.name.startsWith(only)) continue;
    const figure = await measure(benchmark, Number(rounds), Number(seconds));
    figures.push(figure);
    if (!json) process.stdout.write(`${row(figure)}\n`);
  }
  if (json) process.stdout.write(`${JSON.stringify({ machine, figures }, null, 2)}\n`);
  clearInterval(alive);
  return figures.every(({ reached }) => reached !== false) ? 0 : 1;
}

process.exitCode = await main(process.argv.slice(2));
