/** Networks of key managers: rings, grids, and drawn ones. */
import type { Random } from "../../random.ts";
import { drawFibres } from "../relay/shape.ts";

export type Kind = "ring" | "grid" | "drawn";

export interface Shape {
  readonly kms: readonly string[];
  readonly edges: readonly (readonly [string, string])[];
  /** Pairs between which keys are relayed. */
  readonly pairs: readonly (readonly [string, string])[];
}

export function shapeOf(kind: Kind, count: number, pairs: number, random: Random): Shape {
  const kms = Array.from({ length: count }, (_, i) => `km${String(i).padStart(3, "0")}`);
  const at = (i: number) => kms[((i % count) + count) % count] as string;
  const edges: (readonly [string, string])[] = [];
  if (kind === "ring") for (let i = 0; i < count; i++) edges.push([at(i), at(i + 1)]);
  if (kind === "grid") {
    const wide = Math.ceil(Math.sqrt(count));
    for (let i = 0; i < count; i++) {
      if ((i + 1) % wide !== 0 && i + 1 < count) edges.push([at(i), at(i + 1)]);
      if (i + wide < count) edges.push([at(i), at(i + wide)]);
    }
  }
  if (kind === "drawn") {
    edges.push(...drawFibres(kms, random));
    // Leaves are tied in, so that most failures leave a way around.
    for (const km of kms) {
      const isLeaf = edges.filter((edge) => edge.includes(km)).length === 1;
      const other = at(Math.floor(random() * count));
      const isThere = edges.some((edge) => edge.includes(km) && edge.includes(other));
      if (isLeaf && other !== km && !isThere) edges.push([km, other]);
    }
  }
  const drawn = new Map<string, readonly [string, string]>();
  for (let i = 0; i < pairs * 4 && drawn.size < pairs; i++) {
    const [a, b] = [at(Math.floor(random() * count)), at(Math.floor(random() * count))];
    const isNear = edges.some((edge) => edge.includes(a) && edge.includes(b));
    if (a !== b && !isNear) drawn.set(a < b ? `${a} ${b}` : `${b} ${a}`, a < b ? [a, b] : [b, a]);
  }
  return { kms, edges, pairs: [...drawn.values()] };
}
