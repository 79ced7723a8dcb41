/** `npm run sim:etsi014`: stories of the driver `etsi014` in virtual time. */
import { endWith, readOptions } from "../command-line.ts";
import { type Plant, plants } from "./plants.ts";
import { etsi014Story } from "./story.ts";

const usage = `npm run sim:etsi014 -- [options]: stories of a driver in virtual time

  --seed N      the first seed (default: from the time)
  --count N     so many seeds (default 200; with --seed 1)
  --plant NAME  plants a mistake, which stories must find; one of these:
${Object.keys(plants)
  .map((name) => `                "${name}"`)
  .join("\n")}
  --help

A story that fails prints what was drawn.
Exit codes: 0 all held, 1 something did not, 64 wrong command line.
`;

const text = { type: "string" } as const;
const values = readOptions(usage, { seed: text, count: text, plant: text });
const first = Number(values.seed ?? Date.now() % 1_000_000);
const count = Number(values.count ?? (values.seed === undefined ? 200 : 1));
const { plant } = values;
if (!Number.isSafeInteger(first + count)) endWith("expected whole numbers", usage);
if (plant !== undefined && !(plant in plants)) endWith(`no such mistake: ${plant}`, usage);
let failed = 0;
const marks = new Map<string, number>();
for (let seed = first; seed < first + count; seed++) {
  const result = await etsi014Story(seed, plant as Plant | undefined);
  for (const [name, n] of result.marks) marks.set(name, (marks.get(name) ?? 0) + n);
  if (result.broken.length === 0) continue;
  failed++;
  process.stdout.write(`seed ${seed}: ${result.broken[0]}\n  drawn: ${result.drawn}\n`);
}
process.stdout.write(
  `${count - failed} of ${count} held; ${JSON.stringify(Object.fromEntries(marks))}\n`,
);
process.exitCode = failed === 0 ? 0 : 1;
