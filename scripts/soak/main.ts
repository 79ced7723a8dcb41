/**
 * `npm run soak`: the long campaigns, of which CI runs short seeds. Prints one line for each part and
 * the seed that repeats it.
 */
import { parseArgs } from "node:util";
import { wrap } from "../../src/host/terminal/table.ts";
import { guardOutput } from "../tool.ts";
import { campaigns } from "./campaigns.ts";

const usage = `npm run soak -- [options]: the long campaigns

  --only NAME    one of these:
                 ${wrap(campaigns.map(({ name }) => name).join(", "), 60).join("\n                 ")}
  --seed N       repeat a run (default: from the time)
  --scale F      F times as long; 0.01 is a try-out (default 1)
  --help

Exit codes: 0 all held, 1 something did not, 64 wrong command line,
74 the output cannot be written.
`;

function number(text: string | undefined, standard: number): number {
  const value = text === undefined ? standard : Number(text);
  if (!Number.isFinite(value) || value <= 0) throw new Error("expected a number above 0");
  return value;
}

async function main(args: string[]): Promise<number> {
  guardOutput("soak");
  let options: { only?: string; seed: number; scale: number };
  try {
    const text = { type: "string" } as const;
    const { values } = parseArgs({
      args,
      options: { only: text, seed: text, scale: text, help: { type: "boolean", short: "h" } },
    });
    if (values.help) {
      process.stdout.write(usage);
      return 0;
    }
    const { only } = values;
    if (only !== undefined && !campaigns.some(({ name }) => name === only)) {
      throw new Error(`no such campaign: ${only}`);
    }
    options = {
      ...(only !== undefined && { only }),
      seed: Math.floor(number(values.seed, Date.now() % 1_000_000)),
      scale: number(values.scale, 1),
    };
  } catch (error) {
    process.stderr.write(`soak: ${(error as Error).message}\n${usage}`);
    return 64;
  }
  const { only, seed, scale } = options;
  // Campaigns in passed-in time leave nothing in the event loop that would keep it alive.
  const alive = setInterval(() => {}, 60_000);
  let failures = 0;
  for (const { name, parts } of campaigns) {
    if (only !== undefined && only !== name) continue;
    for (const { title, run } of parts) {
      const begun = performance.now();
      const { held, figures } = await run(scale, seed);
      const seconds = ((performance.now() - begun) / 1_000).toFixed(1);
      if (!held) failures++;
      const facts = Object.entries(figures).map(([key, value]) => `${key} ${value}`);
      process.stdout.write(`${held ? "held  " : "BROKEN"} ${name}: ${title}, seed ${seed}\n`);
      process.stdout.write(`       ${facts.join(", ")} (${seconds} s)\n`);
    }
  }
  clearInterval(alive);
  return failures === 0 ? 0 : 1;
}

process.exitCode = await main(process.argv.slice(2));
