/** What the parts of a link share: its books, its turn, and the session while there is one. */
import type { KxMessage } from "../../wire/kx/messages.ts";
import type { KxVersion } from "../../wire/kx/names.ts";
import type { LinkBooks } from "../store/books.ts";
import type { KeyStore } from "../store/port.ts";
import type { LinkEvent } from "./events.ts";
import type { Turn } from "./turn.ts";

/** A connection to the other KM that both ends have agreed upon. */
export interface KxSession {
  /** Key of the keyed hashes of this session, 16 bytes, that both ends derive. */
  readonly tagKey: Buffer;
  /** Of the protocol that both ends speak. */
  readonly version: KxVersion;
  send(message: KxMessage): void;
  /** Ends the connection. @param reason one line for a person */
  close(reason: string): void;
}

/** Limits and times of a link; ms where nothing else is said. */
export interface LinkLimits {
  /** Batches that are under way at a time. */
  readonly window: number;
  readonly batchKeys: number;
  readonly batchBytes: number;
  /** The follower waits so long for keys that it lacks. */
  readonly lackMs: number;
  /** A key that was not there is proposed again after this, doubling up to the other. */
  readonly againMs: number;
  readonly againMaxMs: number;
  /** A QKD-key without a match is dropped after this. */
  readonly matchMs: number;
  /** Unit length of KMA-keys, bytes. */
  readonly unit: number;
  /** A side with less free bytes than this asks the other. */
  readonly lowWater: number;
  /** Keys of this link on their way, beyond which the other KM's are refused: it would bound them itself. */
  readonly underWay: number;
}

export const usualLimits: LinkLimits = {
  window: 16,
  batchKeys: 2_048,
  batchBytes: 2_097_152,
  lackMs: 1_000,
  againMs: 250,
  againMaxMs: 60_000,
  matchMs: 3_600_000,
  unit: 32,
  lowWater: 65_536,
  underWay: 200_000,
};

export interface LinkContext {
  readonly link: string;
  readonly books: LinkBooks;
  readonly turn: Turn;
  readonly store: KeyStore;
  readonly limits: LinkLimits;
  /** Both books were compared: messages may be sent and are heard. */
  readonly ready: boolean;
  /** Rises with each session: what began in an earlier one is stale. */
  readonly generation: number;
  readonly tagKey: Buffer;
  /** Of the protocol, in this session. */
  readonly version: KxVersion;
  /** Batches are authenticated under one-time keys, not by a hash that is keyed by the session. */
  readonly oneTime: boolean;
  /** Monotonic clock, ms. */
  now(): number;
  /** Wall clock, ms since 1970 UTC. */
  wall(): number;
  random(length: number): Buffer;
  /** Sends while the session is ready, else does nothing: all is sent again after the next comparison. */
  send(message: KxMessage): void;
  tell(event: LinkEvent): void;
}
