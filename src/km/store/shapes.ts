/** Shapes of a link's books, that rows are made of. */
import type { Fate, Range, UseState } from "../../wire/kx/messages.ts";
import type { Region } from "./regions.ts";

/** Facts of a batch that stay with its extent (Y.3803 Table 1, item 2). */
export interface ExtentFacts {
  /** QKD module IDs, the leader's first. */
  readonly modules: readonly [string, string];
  /** QKD-keys of the batch. */
  readonly keys: number;
  /** Unit length of its KMA-keys, bytes. */
  readonly unit: number;
  /** When it was matched here, ms since 1970 UTC. */
  readonly at: number;
}

export interface Extent {
  readonly number: number;
  readonly length: number;
  /** SHA-256 over its PROPOSE, 32 bytes. */
  readonly digest: Buffer;
  readonly facts: ExtentFacts;
  regions: Region[];
  /** Matched durably at this end: not before that may a byte of it be allocated. */
  open: boolean;
  /** Bytes bound or used: never fewer than before. */
  used: number;
  /** Keys on their way that have bytes of it. */
  uses: number;
}

/** As both ends name, in place of modules, what was relayed under AES on its way. */
export const relayedByAes = "relay aes";

/** Not relayed, or under one-time pads on each hop. */
export function isOtp({ facts }: Pick<Extent, "facts">): boolean {
  return facts.modules[0] !== relayedByAes;
}

/** Offer of bytes that were free when an order made them void. */
export const noOffer = "00".repeat(24);

/** Keys that began as one entry, for as long as one of them is there: the same object for each. */
export interface Together {
  /** Of the first. */
  readonly id: string;
  readonly count: number;
  readonly pickUp: number;
  /** `PickUp`'s alone: since when they wait, and how many still do. */
  since?: number | undefined;
  left?: number;
}

/** A key on its way to applications, or whose fate is not known at both ends; or several that are alike (`key-run.ts`). */
export interface Use {
  /** KSA-key ID, 16 bytes as 32 hexadecimal digits; of several keys that of the first. */
  readonly id: string;
  /** Keys of this entry, all of one length: 1 as soon as one of them is for itself. */
  readonly count: number;
  /** Offer it belongs to, 24 bytes in hexadecimal. */
  readonly offer: string;
  /** Whether this KM owns it. */
  readonly owner: boolean;
  ranges: readonly Range[];
  state: UseState;
  fate: Fate | undefined;
  /** Slaves of its set that have it, one bit each, the first lowest. */
  had: number;
  /** Slaves that have it as its owner knows, and that were not answered yet, as `had`: of the life of this process. */
  promised?: number;
  /** Slaves to whom it is granted and who have not read its bytes yet: of the life of this process. */
  readers?: number;
  /** What its keys, or those that it was one of, have in common: of the life of this process. */
  run?: Together | undefined;
  /** Each of its keys for itself, once they have parted: this entry is nothing then, and is soon forgotten. */
  parts?: readonly Use[];
  /** The set of applications. */
  request: string | undefined;
  /** The request was assigned to a pre-offer: the peer has to be told until its fate is known. */
  assigned: boolean;
  /** Number of the FATE that tells of it; 0 before its end, and at the owner. */
  number: number;
  /** How long the other application may take to fetch it, s. */
  readonly pickUp: number;
  /** Since when it waits for that, monotonic ms: of the life of this process, `PickUp`'s alone. */
  since?: number | undefined;
}

/** Bytes whose fate both KMs know, up to a FATE number. */
export interface Counts {
  number: number;
  taken: number;
  expired: number;
}

/** The rest of the books of a link. */
export interface LinkState {
  /** Durable transactions of this KM. */
  mark: number;
  /** The most that was heard of the other KM's. */
  heardMark: number;
  /** KM ID of that one; undefined: of before it was written down. */
  peer?: string | undefined;
  /** Highest number of an extent. */
  highest: number;
  /** Fates told as peer, and acknowledged; fates heard as owner. */
  told: Counts;
  heard: Counts;
  /** Bytes matched since the link began, and those of them that began as the leader's. */
  matched: number;
  leaders: number;
}
