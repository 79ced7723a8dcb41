/** What a life of a network is drawn as, from its seed. */
import { random, streamSeed } from "../../random.ts";
import { drawFibres, type Edge, routesBetween } from "./shape.ts";
import { type NetFaults, type NetPlant, type NetShape, type NetStory, NetWorld } from "./story.ts";

export function drawShape(seed: number): NetShape {
  const draw = random(streamSeed(seed, "shape"));
  const count = draw() < 0.1 ? 20 : 3 + Math.floor(draw() * 5);
  const kms = Array.from({ length: count }, (_, i) => `k${String(i).padStart(2, "0")}`);
  const fibres = drawFibres(kms, draw);
  const isFibre = (a: string, b: string) =>
    fibres.some(([x, y]) => (x === a && y === b) || (x === b && y === a));
  const pairs: NetShape["pairs"][number][] = [];
  const has = (a: string, b: string) =>
    pairs.some(({ ends }) => ends.includes(a) && ends.includes(b)) || isFibre(a, b);
  const add = (ends: Edge) => {
    if (ends[0] !== ends[1] && !has(...ends)) pairs.push({ ends, scheme: "case-2" });
  };
  for (let i = 0; i < Math.min(6, count); i++) {
    const a = kms[Math.floor(draw() * count)] as string;
    const b = kms[Math.floor(draw() * count)] as string;
    if (a === b || has(a, b)) continue;
    const schemes = ["case-1", "case-2", "destination", "centralized"] as const;
    const scheme = schemes[Math.floor(draw() * 4)] as (typeof schemes)[number];
    const [route = []] = routesBetween(fibres, a, b, 1);
    const between = route.slice(1, -1);
    if (scheme === "centralized") {
      const collector = kms.find((km) => !route.includes(km));
      if (collector === undefined) continue;
      pairs.push({ ends: [a, b], scheme, collector });
      for (const km of [...between, b]) add([km, collector]);
      continue;
    }
    pairs.push({ ends: [a, b], scheme, aes: draw() < 0.3 });
    if (scheme === "destination") for (const km of between.slice(0, -1)) add([km, b]);
  }
  if (pairs.length === 0) {
    const [a, b] = [kms[0], kms.find((km) => km !== kms[0] && !isFibre(kms[0] as string, km))];
    if (b !== undefined) pairs.push({ ends: [a as string, b], scheme: "case-2" });
    else return drawShape(seed + 100_000);
  }
  return { kms, fibres, pairs };
}

export function drawFaults(seed: number): NetFaults {
  const draw = random(streamSeed(seed, "kinds"));
  const some = (most: number) => (draw() < 0.5 ? 0 : draw() * most);
  const kinds = (["crash", "cut", "copy", "restore"] as const).filter(() => draw() < 0.6);
  return {
    meanMs: draw() < 0.2 ? 0 : 100 + draw() * 1_500,
    kinds,
    lost: some(0.1),
    doubled: some(0.2),
    late: some(0.2),
    changed: some(0.1),
  };
}

/** A whole life of a drawn network. */
export function netStory(seed: number, plant?: NetPlant): NetStory {
  return new NetWorld(seed, drawShape(seed), drawFaults(seed), plant).run(8_000, 95_000);
}
