/** Lives of networks under a controller, at length. */
import { random } from "../../test/random.ts";
import { controllerStory } from "../../test/sim/controller/drawn.ts";
import { type FairOptions, fairness } from "../../test/sim/controller/fairness.ts";
import type { Kind } from "../../test/sim/controller/shape.ts";
import { type Campaign, type Outcome, times } from "./campaign.ts";

function lives(count: number, seed: number, kms?: number): Outcome {
  const total: Record<string, number> = { lives: count };
  let held = true;
  for (let life = seed; life < seed + count; life++) {
    const { broken, counts } = controllerStory(life, kms === undefined ? {} : { kms });
    for (const [name, value] of Object.entries(counts)) total[name] = (total[name] ?? 0) + value;
    if (broken.length === 0) continue;
    held = false;
    process.stderr.write(`life ${life}: ${broken[0]}\n`);
  }
  return { held, figures: total };
}

/** Each pair has `good` of its optimum at least by the routes that it takes, and keeps them while nothing happens. */
function shares(count: number, seed: number, draw: (one: number) => FairOptions): Outcome {
  let [pairs, low, least, changed] = [0, 0, 1, 0];
  for (let one = seed; one < seed + count; one++) {
    const { parts, changes } = fairness(one, draw(one));
    pairs += parts.length;
    low += parts.filter((part) => part < good).length;
    least = Math.min(least, ...parts);
    changed += changes;
  }
  return {
    held: low === 0 && changed === 0,
    figures: { networks: count, pairs, below_good: low, least, changed },
  };
}

const good = 0.8;
const kinds = ["drawn", "grid", "drawn"] as const;

export const controller: Campaign = {
  name: "controller",
  parts: [
    {
      title: "10,000 lives of small networks, their shares against linear programs",
      run: (scale, seed) => lives(times(10_000, scale), seed),
    },
    {
      title: "200 lives of networks of up to 100 key managers",
      run: (scale, seed) => lives(times(200, scale), seed, 100),
    },
    {
      title: "500 networks of 20 to 40 nodes: each pair has 0.8 of its max-min fair optimum",
      run: (scale, seed) => {
        const draw = random(seed);
        return shares(times(500, scale), seed, () => {
          const nodes = 20 + Math.floor(draw() * 21);
          return { nodes, pairs: nodes };
        });
      },
    },
    {
      title: "50 networks of 100 nodes with 40 pairs, grids and drawn ones: so it is there",
      run: (scale, seed) => {
        const kind = (one: number) => kinds[one % kinds.length] as Kind;
        return shares(times(50, scale), seed, (one) => {
          return { kind: kind(one), nodes: 100, pairs: 40 };
        });
      },
    },
    {
      title: "5 networks of 100 nodes and 250 links with 30 pairs: so it is there",
      run: (scale, seed) => {
        return shares(times(5, scale), seed, () => ({ nodes: 100, links: 250, pairs: 30 }));
      },
    },
  ],
};
