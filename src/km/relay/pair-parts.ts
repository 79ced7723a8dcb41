/** What a pair of KMs is made of: what is configured of it, what it stands on, and what it counts. */
import type { Routing } from "../../wire/ck/state.ts";
import type { RelayFailure, RelayScheme } from "../../wire/kx/relay-messages.ts";
import type { PoolPolicy } from "./pool.ts";
import type { RelayLink } from "./ports.ts";
import type { RelayEnd, RelayOrder } from "./source.ts";
import type { Via } from "./ways.ts";

/** What is configured of a pair. */
export interface PairPolicy {
  /** KM IDs between, best route first. */
  readonly routes: readonly Via[];
  /** Who says which way. */
  readonly routing: Routing;
  readonly scheme: Exclude<RelayScheme, "aes">;
  readonly collector?: string | undefined;
  /** Pads that are short may be replaced by AES-256-GCM. */
  readonly aes: boolean;
  readonly pool: PoolPolicy;
  /** Stock is not filled over this, bits. */
  readonly high: number;
  /** Bytes of one relay of the pool. */
  readonly batch: number;
}

/** Tells the controller that gave the route how the relay went. @param bytes that were relayed */
export type TellRelay = (end: RelayEnd, bytes: number) => void;

export interface PairParts {
  /** KM ID. */
  readonly me: string;
  readonly far: RelayLink;
  readonly policy: PairPolicy;
  /** Bytes of the pair that are there: stock of both owners, and what waits for its match. */
  stock(): number;
  begin(order: RelayOrder, done: (end: RelayEnd) => void): void;
  /**
   * Asks a controller for a route: what it gives is in `ways` when this calls back.
   * @param then once, soon: with nothing if no route came
   */
  ask?(bytes: number, then: (tell: TellRelay | undefined) => void): void;
  /** Routes that a controller gave before a restart. */
  readonly known?: readonly Via[];
  /** The link to a KM is only for routes that a controller gave. */
  isReserved?(peer: string): boolean;
  /** Free bytes of a link that this KM may lend pads of. */
  pads(peer: string): number;
  /** More of them are wanted: the other end of the link is asked for what it has in excess. */
  wantPads(peer: string): void;
  /** Monotonic, ms; wall clock, ms since 1970 UTC. */
  now(): number;
  wall(): number;
}

/** What came of relays that this KM began, since its start. */
export interface PairCount {
  relays: number;
  bytes: number;
  /** Bytes of KMA-key of all links of the routes. */
  cost: number;
}

export interface PairFailure {
  /** `differs`: the key that came is not the one that was sent; `expired`: it was never there. */
  readonly failure: RelayFailure | "differs" | "expired";
  readonly at: string;
  readonly route: readonly string[];
  /** ms since 1970 UTC */
  readonly wall: number;
}
