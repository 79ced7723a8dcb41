/**
 * `npm run sim`: stories of a custody in virtual time. `--seed N` (or a commit's hash) is the first of
 * `--count` seeds; one that fails prints what was drawn and the command that repeats it. `--plant NAME`
 * plants a mistake; `--log` prints what happened, a line each.
 */
import { parseArgs } from "node:util";
import { type Plant, plants } from "./custody-draw.ts";
import { custodyStory } from "./custody-story.ts";

const text = { type: "string" } as const;
const { values } = parseArgs({
  options: { seed: text, count: text, plant: text, log: { type: "boolean", default: false } },
});
const first = seedOf(values.seed ?? String(Date.now() % 1_000_000));
const count = Number(values.count ?? (values.seed === undefined ? 1_000 : 1));
const { plant } = values;
if (!Number.isSafeInteger(first + count) || (plant !== undefined && !(plant in plants))) {
  const names = Object.keys(plants).map((name) => `  "${name}"`);
  process.stderr.write(`--seed N --count N --log --plant one of\n${names.join("\n")}\n`);
  process.exit(64);
}

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
