/** What the parts of a simulated network see of it. */
import type { Clockwork } from "./clockwork.ts";
import type { Drawn } from "./drawn.ts";
import type { KmOracle } from "./oracle.ts";
import type { SimKm } from "./sim-km.ts";
import type { ToldBytes } from "./told-bytes.ts";

export interface SimWorld {
  readonly clock: Clockwork;
  readonly drawn: Drawn;
  readonly a: SimKm;
  readonly b: SimKm;
  readonly oracle: KmOracle;
  /** The disk of one end loses bytes of stock. */
  readonly damage: boolean;
  /** How often what happened. */
  readonly counts: Readonly<Record<string, number>>;
  /** QKD-keys that expired, at both ends together. */
  readonly expired: number;
  /** QKD-keys by how they were brought: to both ends alike, and to one end only. */
  readonly link: { readonly good: number; readonly goodBytes: number; readonly lost: number };
  readonly toldBytes: Pick<ToldBytes, "silent">;
  count(what: string, by?: number): void;
}
