/**
 * The messages between two key managers of a link (reference points Kx-1 and Kx-2 of Y.3802, the KMA
 * and KSA links of Y.3803 §7.2), as values. `codec.ts` makes bytes of them; README.md says what each is for.
 * All of them are idempotent: a message that comes twice changes nothing the second time.
 */

import type { DeliveryMessage } from "./deliver-messages.ts";
import type { RelayMessage, RelayPiece } from "./relay-messages.ts";

/** A stretch of an extent's bytes, `[start, end)`. */
export interface Range {
  /** Number of the extent on its link, from 1; the leader counts. */
  readonly extent: number;
  readonly start: number;
  readonly end: number;
}

/** A range as an offer or a gift names it: with the version of its ownership. */
export interface VersionedRange extends Range {
  /** Counts changes of ownership; even: the leader's, odd: the follower's. */
  readonly version: number;
}

/** What became of a bound key at the peer: taken, expired, void. */
export type Fate = "T" | "X" | "V";

/** First on each connection, from both ends. */
export interface Hello {
  readonly type: "hello";
  /** Version of this protocol, as the ALPN has it. */
  readonly version: number;
  /** KM ID of the sender, and of the KM that it wants to talk to; 1 to 128 characters. */
  readonly from: string;
  readonly to: string;
  /** 16 bytes drawn at the start of the process, never read from a disk. */
  readonly incarnation: Buffer;
  /** 16 bytes drawn for this connection. */
  readonly nonce: Buffer;
  /** SHA-256 over the sender's table of which applications may have keys with which; 32 bytes. */
  readonly policy: Buffer;
}

/** One region of an extent: a stretch with one owner. */
export interface RegionBook {
  readonly start: number;
  readonly end: number;
  readonly version: number;
  /** Bytes `[start, mark)` are bound or used at the sender. */
  readonly mark: number;
  /** The sender is giving it away. */
  readonly giving: boolean;
}

/** What a KM's books say of an extent. */
export interface ExtentBook {
  readonly number: number;
  /** Proposed (leader only), prepared (follower only), matched. */
  readonly state: "Q" | "R" | "M";
  /** SHA-256 over its PROPOSE without the tag, 32 bytes. */
  readonly digest: Buffer;
  readonly length: number;
  readonly regions: readonly RegionBook[];
}

/** States of a key on its way to applications: of the owner O P S V, of the peer B T X V. */
export type UseState = "O" | "P" | "S" | "B" | "T" | "X" | "V";

/** What a KM's books say of one key that is on its way to applications. */
export interface UseBook {
  /** KSA-key ID, 16 bytes. */
  readonly id: Buffer;
  /** The offer that it belongs to, 24 bytes: the owner's incarnation and a counter. */
  readonly offer: Buffer;
  /** Whether the sender is the owner. */
  readonly owner: boolean;
  readonly state: UseState;
  readonly fate?: Fate;
  /** Slaves that have it, one bit each, the first lowest. */
  readonly had: number;
  /** The set of applications; missing in a pre-offer that is not assigned. */
  readonly use?: string;
  readonly ranges: readonly Range[];
}

/** Counts of bytes whose fate is settled, up to a FATE number. */
export interface FateCount {
  readonly number: number;
  readonly taken: number;
  readonly expired: number;
}

/** Opens the exchange of books. The parts follow, and `syncEnd` closes it. */
export interface Sync {
  readonly type: "sync";
  /** Durable transactions of the sender, and the most that it has heard of the receiver's. */
  readonly mark: number;
  readonly heardMark: number;
  /** Highest number of an extent that the sender knows of. */
  readonly highest: number;
  /** Fates that the sender told as peer and that were acknowledged; fates that it heard as owner. */
  readonly told: FateCount;
  readonly heard: FateCount;
}

export interface SyncExtents {
  readonly type: "syncExtents";
  readonly extents: readonly ExtentBook[];
}

export interface SyncUses {
  readonly type: "syncUses";
  readonly uses: readonly UseBook[];
}

export interface SyncEnd {
  readonly type: "syncEnd";
}

/** Leader → follower: these QKD-keys, in this order, become extent `number` (Y.3803 §8.2.1). */
export interface Propose {
  readonly type: "propose";
  readonly number: number;
  /** SHA-256 over the payload without the tag; the codec fills it in, it is not on the wire. */
  readonly digest?: Buffer;
  /** QKD module IDs, the leader's first. */
  readonly modules: readonly [string, string];
  /** 16 bytes a QKD-key, in order. */
  readonly ids: Buffer;
  /** Whole bytes of each QKD-key. */
  readonly lengths: readonly number[];
  /** Unit length of KMA-keys, bytes. */
  readonly unit: number;
  /** Bytes `[0, split)` are the leader's, the rest is the follower's. */
  readonly split: number;
  /** Keyed hash over the bytes, 16 bytes. */
  readonly tag: Buffer;
}

export interface Match {
  readonly type: "match";
  readonly number: number;
  /** SHA-256 over the PROPOSE without its tag, which is another in each session; 32 bytes. */
  readonly digest: Buffer;
}

/** MATCH to a PROPOSE under a one-time MAC: under one, too. Of version 2. */
export interface MatchMac extends Omit<Match, "type"> {
  readonly type: "matchMac";
  /** Over the payload without the tag, 16 bytes. */
  readonly tag: Buffer;
}

export type NoMatchReason = "lacking" | "hash" | "number" | "length" | "full";

export interface NoMatch {
  readonly type: "noMatch";
  readonly number: number;
  readonly reason: NoMatchReason;
  /** IDs that the follower does not have, 16 bytes each. */
  readonly lacking: Buffer;
}

/** Leader → follower: matched, durably. */
export interface Commit {
  readonly type: "commit";
  readonly number: number;
}

/** Leader → follower: given up. The follower's QKD-keys go back to its buffer, but for those that are named: void. */
export interface Abort {
  readonly type: "abort";
  /** 0: of no batch; the leader was ordered to give these QKD-keys up. */
  readonly number: number;
  /** IDs that are void at both ends, since their bytes differ; 16 bytes each. */
  readonly void: Buffer;
}

/** Keys of an offer of one length, whose IDs count up in their last two bytes, after FFFF from 0; or a single one. */
export interface OfferedKeys {
  /** KSA-key ID of the first, 16 bytes as 32 hexadecimal digits. */
  readonly id: string;
  readonly count: number;
  /** Of all of them, one key after the other. */
  readonly ranges: readonly VersionedRange[];
}

/** Owner → peer: bind these to this set of applications. */
export interface Offer {
  readonly type: "offer";
  /** SHA-256 over the payload; the codec fills it in, it is not on the wire. */
  readonly digest?: Buffer;
  readonly offer: Buffer;
  /** Missing: a pre-offer. */
  readonly use?: string;
  /** How long the other application may take to fetch it, seconds. */
  readonly pickUp: number;
  readonly keys: readonly OfferedKeys[];
  /** Keyed hash over the bytes of all its keys, one after the other, 16 bytes. */
  readonly tag: Buffer;
}

export type Refusal = "used" | "owner" | "hash" | "policy" | "limit";

/** Peer → owner: bound, or why not, key by key in the order of the offer. */
export interface Ack {
  readonly type: "ack";
  readonly offer: Buffer;
  /** SHA-256 over the OFFER as it came, 32 bytes. */
  readonly digest: Buffer;
  /** Undefined: bound. */
  readonly refused: readonly (Refusal | undefined)[];
}

/** Owner → peer: a key of a pre-offer is for these applications. */
export interface Assign {
  readonly type: "assign";
  readonly offer: Buffer;
  readonly id: Buffer;
  readonly use: string;
}

/** Owner → peer: used up without an application. */
export interface Void {
  readonly type: "void";
  readonly offer: Buffer;
  readonly id: Buffer;
  readonly ranges: readonly Range[];
}

/** Peer → owner: may these be given to the other application? */
export interface Take {
  readonly type: "take";
  readonly offer: Buffer;
  readonly id: Buffer;
  /** Place of the application among the slaves of its set, from 0. */
  readonly slave: number;
}

export interface Taken {
  readonly type: "taken";
  readonly offer: Buffer;
  readonly id: Buffer;
  readonly slave: number;
  readonly yes: boolean;
}

/** Peer → owner: what became of a key. Numbers rise by one, so that both ends count alike. */
export interface FateTold {
  readonly type: "fate";
  /** 0: an answer to VOID about bytes of which the peer has no row left. */
  readonly number: number;
  readonly offer: Buffer;
  readonly id: Buffer;
  readonly fate: Fate;
  /** Bytes of the key. */
  readonly length: number;
}

/** Owner → peer: fates up to this number are durable. */
export interface FateOk {
  readonly type: "fateOk";
  readonly number: number;
}

/** Owner → peer: this stretch is yours, at this version. */
export interface Give {
  readonly type: "give";
  readonly range: VersionedRange;
}

export interface Given {
  readonly type: "given";
  readonly range: VersionedRange;
}

/** A KM with little left to allocate asks the other for free bytes. */
export interface Ask {
  readonly type: "ask";
  readonly bytes: number;
}

/** Nothing was sent for a while: the connection lives. */
export interface Alive {
  readonly type: "alive";
}

export type KxMessage =
  | Hello
  | Sync
  | SyncExtents
  | SyncUses
  | SyncEnd
  | Propose
  | Match
  | MatchMac
  | NoMatch
  | Commit
  | Abort
  | Offer
  | Ack
  | Assign
  | Void
  | Take
  | Taken
  | FateTold
  | FateOk
  | Give
  | Given
  | Ask
  | DeliveryMessage
  | RelayMessage
  | RelayPiece
  | Alive;
