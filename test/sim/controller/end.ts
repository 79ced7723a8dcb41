/** The end of a life: all was well for long, so every pair has its share. */
import type { ControllerStatus } from "../../../src/controller/model/status.ts";
import { nameOf } from "../../../src/controller/topology/names.ts";
import { maxMinFair } from "./max-min.ts";
import { maxMinFairLarge } from "./max-min-large.ts";
import type { Oracle } from "./oracle.ts";
import type { Shape } from "./shape.ts";

/** Part of the optimum that each pair has at least. */
const part = 0.8;

/** All ways of a network of so many are written down. */
const small = 10;

/** @param isCompared with the optimum; else each pair has something */
export function compareShares(
  oracle: Oracle,
  { pairs, links }: Pick<ControllerStatus, "pairs" | "links">,
  shape: Shape,
  isCompared: boolean,
): void {
  if (!isCompared) {
    return oracle.shares(pairs, new Map(shape.pairs.map(([a, b]) => [nameOf(a, b), 1])), 1);
  }
  const index = new Map(shape.kms.map((km, i) => [km, i]));
  const number = (km: string) => index.get(km) as number;
  const compute = shape.kms.length <= small ? maxMinFair : maxMinFairLarge;
  const optimum = compute({
    nodes: shape.kms.length,
    links: links.map(({ a, b, average_key_rate: rate, average_stock_bits: stock }) => {
      return { a: number(a), b: number(b), capacity: rate + stock / 600 };
    }),
    pairs: shape.pairs.map(([a, b]) => {
      return { from: number(a), to: number(b), most: Number.POSITIVE_INFINITY };
    }),
  });
  const named = shape.pairs.map(([a, b], i) => [nameOf(a, b), optimum[i] ?? 0] as const);
  oracle.shares(pairs, new Map(named), part);
}
