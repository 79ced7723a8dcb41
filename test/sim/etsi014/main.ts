/**
 * Stories of the driver `etsi014` in virtual time: `npm run sim:etsi014 -- --seed N --count N`; one that
 * fails prints what was drawn. `--plant NAME` plants a mistake.
 */
import { parseArgs } from "node:util";
import { type Plant, plants } from "./plants.ts";
import { etsi014Story } from "./story.ts";

const text = { type: "string" } as const;
const { values } = parseArgs({ options: { seed: text, count: text, plant: text } });
const first = Number(values.seed ?? Date.now() % 1_000_000);
const count = Number(values.count ?? (values.seed === undefined ? 200 : 1));
const { plant } = values;
if (!Number.isSafeInteger(first + count) || (plant !== undefined && !(plant in plants))) {
  process.stderr.write(
    `--seed N --count N --plant one of\n  ${Object.keys(plants).join("\n  ")}\n`,
  );
  process.exit(64);
}
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
