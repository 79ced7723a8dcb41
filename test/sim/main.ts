/** `npm run sim`: stories of a custody in virtual time. */
import { endWith, readOptions } from "./command-line.ts";
import { type Plant, plants } from "./custody-draw.ts";
import { custodyStory } from "./custody-story.ts";

const usage = `npm run sim -- [options]: stories of a custody in virtual time

  --seed N      the first seed, or a commit's hash (default: from the time)
  --count N     so many seeds (default 1000; with --seed 1)
  --plant NAME  plants a mistake, which stories must find; one of these:
${Object.keys(plants)
  .map((name) => `                "${name}"`)
  .join("\n")}
  --log         prints what happened, a line each
  --help

A story that fails prints what was drawn, and the command that repeats it.
Exit codes: 0 all held, 1 something did not, 64 wrong command line.
`;

const text = { type: "string" } as const;
const values = readOptions(usage, {
  seed: text,
  count: text,
  plant: text,
  log: { type: "boolean" },
});
const first = seedOf(values.seed ?? String(Date.now() % 1_000_000));
const count = Number(values.count ?? (values.seed === undefined ? 1_000 : 1));
const { plant } = values;
if (!Number.isSafeInteger(first + count)) endWith("expected whole numbers", usage);
if (plant !== undefined && !(plant in plants)) endWith(`no such mistake: ${plant}`, usage);

/** A number, or the first digits of a commit's hash: another seed for each commit, for ever the same. */
function seedOf(given: string): number {
  return /^[0-9a-f]{40}$/.test(given) ? Number.parseInt(given.slice(0, 7), 16) : Number(given);
}

process.stdout.write(`seeds ${first} to ${first + count - 1}\n`);
let failed = 0;
for (let seed = first; seed < first + count; seed++) {
  const { broken, drawn, log } = await custodyStory(seed, plant as Plant | undefined);
  if (values.log) process.stdout.write(`${drawn}\n${log.join("\n")}\n`);
  if (broken.length === 0) continue;
  failed++;
  const planted = plant === undefined ? "" : ` --plant "${plant}"`;
  process.stdout.write(`seed ${seed}: ${broken[0]}\n  drawn: ${drawn}\n`);
  process.stdout.write(`  again: npm run sim -- --seed ${seed} --log${planted}\n`);
}
process.stdout.write(`${count - failed} of ${count} held\n`);
process.exitCode = failed === 0 ? 0 : 1;
