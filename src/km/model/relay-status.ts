/** What a key manager tells of relays (Y.3803 §8.2.3, §8.2.5); since the start of the process. */

import type { Service } from "../../wire/ck/names.ts";
import type { Routing } from "../../wire/ck/state.ts";

/** Relays of others. */
export interface PassedRelays {
  readonly relays: number;
  readonly failed: number;
  /** Bits of relayed key. */
  readonly bits: number;
}

export interface MethodStatus {
  readonly scheme: string;
  /** Free bits of key that came by it, of both owners: also from before the start. */
  readonly stock_bits: number;
  readonly relays: number;
  /** Bits of key that both ends have by it. */
  readonly bits: number;
  /** Bits of KMA-key that they cost, over all links of their routes. */
  readonly pad_bits: number;
}

/** What this KM relays to another. */
export interface RelayPairStatus {
  /** Name of the link whose stock it is. */
  readonly link: string;
  /** How keys are relayed, where pads are there. */
  readonly scheme: string;
  /** Who says which way. */
  readonly routing: Routing;
  /** KM IDs between, of the route that is tried next; absent: none is known. */
  readonly route?: readonly string[];
  readonly under_way: number;
  /** How much is used of late. */
  readonly used_bits_per_s: number;
  /** Attempts that failed. */
  readonly failed: number;
  /** Stock under this is little; missing where no policy says what it should be. */
  readonly low_bits?: number;
  /** RFC 3339: since when nothing came though it was wanted. Missing: it comes, or was not wanted. */
  readonly failing_since?: string;
  readonly methods: readonly MethodStatus[];
  readonly last_failure?: {
    readonly failure: string;
    /** KM ID. */
    readonly at: string;
    /** KM IDs between. */
    readonly route: readonly string[];
    /** RFC 3339 */
    readonly time: string;
  };
}

/**
 * A link that a controller has put out of service, to stand by, or apart: it lends no pads to relays, or, if it is
 * reserved, to those alone that go by a route of a controller.
 */
export interface ServiceStatus {
  /** Name of the link. */
  readonly link: string;
  readonly service: Service;
}

export interface RelayStatus {
  /** Links that are not in service; absent: all are. */
  readonly services?: readonly ServiceStatus[];
  readonly under_way: number;
  /** As transit KM, as collector of XORs, and as destination. */
  readonly passed: PassedRelays;
  readonly collected: PassedRelays;
  readonly taken: PassedRelays;
  readonly pairs: readonly RelayPairStatus[];
}
