/** Lives of networks that a seed draws, and mistakes that are planted in the controller. */
import { type Random, random, streamSeed } from "../../random.ts";
import { type Kind, shapeOf } from "./shape.ts";
import { ControllerStory, type Faults, type Plant, type Story } from "./story.ts";

const kinds: readonly Kind[] = ["ring", "grid", "drawn"];
const faults: readonly Faults["kinds"][number][] = ["down", "alarm", "detach", "kill"];

export interface Drawn {
  /** Key managers; default: drawn, few enough for an LP over all ways. */
  readonly kms?: number;
  readonly ms?: number;
  readonly plant?: Plant;
}

/**
 * So long all is well at the end, ms: stock that faults used up comes back over minutes and raises what links can give, and in a
 * network of 100 a search for other routes takes many turns.
 */
const [smallHealMs, largeHealMs] = [150_000, 300_000];

/** One life, all of it drawn from the seed. */
export function controllerStory(seed: number, { kms, ms = 240_000, plant }: Drawn = {}): Story {
  const draw = random(streamSeed(seed, "shape"));
  const kind = pick(kinds, draw);
  // No route has more than 30 KMs between its ends.
  const count =
    kms === undefined ? 4 + Math.floor(draw() * 5) : Math.min(kms, kind === "ring" ? 30 : kms);
  const pairs = kms === undefined ? 2 + Math.floor(draw() * 6) : Math.ceil(kms * 0.4);
  const shape = shapeOf(kind, count, pairs, draw);
  const mode = draw() < 0.3 ? "distributed" : "centralized";
  const some = faults.filter(() => draw() < 0.6);
  const meanMs = kms === undefined ? 4_000 + draw() * 20_000 : 2_000 + draw() * 5_000;
  const story = new ControllerStory(seed, {
    shape,
    mode,
    faults: { meanMs: some.length === 0 ? 0 : meanMs, kinds: some },
    plant,
  });
  return story.run(ms, kms === undefined ? smallHealMs : largeHealMs);
}

function pick<T>(all: readonly T[], draw: Random): T {
  return all[Math.floor(draw() * all.length)] as T;
}

export const plants: readonly Plant[] = [
  { name: "an alarm that is no critical one is passed over", rules: { badAlarms: [] } },
  { name: "the hold-down is forgotten", rules: { holdDownMs: 0, hysteresis: -0.5 } },
  {
    name: "routes follow single reports, and a change need not be worth it",
    rules: { averageMs: 1, hysteresis: -0.5 },
  },
  { name: "no change is worth it", rules: { hysteresis: 10 } },
  {
    name: "now and then a route comes to a node twice",
    answer(answer, km, draw) {
      if (answer.type === "nextHopResponse" && draw() < 0.05) return { ...answer, nextKmas: [km] };
      if (answer.type !== "relayRequest" || draw() > 0.05) return answer;
      const [first] = answer.transitKmas;
      if (first === undefined) return answer;
      return { ...answer, transitKmas: [first, km, ...answer.transitKmas] };
    },
  },
  { name: "a link that failed is used again at once", rules: { settleMs: 0 } },
  { name: "one route is all that a pair may have", rules: { routes: 1 } },
];
