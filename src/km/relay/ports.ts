/** What a relay wants of the links of its KM, and what it tells. Pure. */
import type {
  Relay,
  RelayFailure,
  RelayMessage,
  RelayScheme,
} from "../../wire/kx/relay-messages.ts";

/** A stretch of KMA-key that both ends of a link have bound to one relay message, durably. */
export interface Pad {
  /** KSA-key ID, 16 bytes. */
  readonly id: Buffer;
  /** Outside of the JavaScript heap; who has it wipes it. */
  readonly bytes: Buffer;
}

/** A link of this KM, with or without fibre under it. */
export interface RelayLink {
  /** KM ID of its other end. */
  readonly peer: string;
  /** Both books were compared: messages go over it. */
  readonly ready: boolean;
  /** Bytes of the longest key that a message over it can carry. */
  readonly longest: number;
  /**
   * Binds bytes of this KM's own at both ends, durably, and reads them: they are no one else's from then on.
   * @param use the same for all messages of a relay @param deadline monotonic, ms
   */
  lend(
    length: number,
    use: string,
    deadline: number,
    done: (pad: Pad | RelayFailure) => void,
  ): void;
  /** What the other end has lent for a message that came: used up here, durably. Undefined if it was not, or once before. */
  claim(id: Buffer, use: string, done: (bytes: Buffer | undefined) => void): void;
  /** What the other end has lent for a message that came, and that is not read: no one waits for its end. */
  refuse(id: Buffer, use: string): void;
  send(message: RelayMessage): void;
  /** What the other end has lent for a relay, and will not use: its end is not waited for. */
  release(relay: Buffer): void;
  /** A relayed key waits for its match here, like a QKD-key. Copied before it returns. @param done when it is durable, or false */
  keep(key: RelayedKey, done: (stored: boolean) => void): void;
  /** The key of a relay that came to nothing: dropped, unless it was matched. */
  drop(relay: Buffer): void;
}

export interface RelayedKey {
  readonly relay: Buffer;
  readonly scheme: RelayScheme;
  readonly bytes: Buffer;
  /** When its relay began, ms since 1970 UTC by the clock of its source: the same at both ends. */
  readonly time: number;
}

/** A relay of which it is not known yet whether both ends have its key. */
export interface RelayUnderWay {
  /** 16 bytes in hexadecimal. */
  readonly relay: string;
  /** KM ID of the other end; undefined: this KM is no end of it. */
  readonly far: string | undefined;
  /** ms since 1970 UTC by the clock of its source; by this KM's where it only passes it on. */
  readonly begun: number;
}

/** Relays under way whose keys were given up. */
export interface EndedRelays {
  /** They came to nothing. */
  readonly ended: number;
  /** Keys that are just being stored: they wait for their match in a moment, and can be given up then. */
  readonly storing: number;
}

export type RelayRole = "source" | "transit" | "destination" | "collector";

/** What became of a relay at this KM (Y.3803 Table 1, item 3; §8.2.6). No key byte is in it. */
export interface RelayTold {
  readonly relay: string;
  readonly role: RelayRole;
  readonly scheme: RelayScheme;
  readonly path: readonly string[];
  /** Bytes of the relayed key. */
  readonly length: number;
  /** From its first message here, ms. */
  readonly ms: number;
  /** Missing: the destination has the key. */
  readonly failure?: RelayFailure;
  /** KM ID, where it failed. */
  readonly at?: string;
}

export interface RelayWorld {
  /** KM ID. */
  readonly me: string;
  /** The link to a KM. */
  link(peer: string): RelayLink | undefined;
  /** Monotonic, ms; and wall clock, ms since 1970 UTC. */
  now(): number;
  wall(): number;
  random(length: number): Buffer;
  /** Random bits that become key. Undefined: the source failed its health tests. */
  keyBits(length: number, done: (bits: Buffer | undefined) => void): void;
  /** Whether this KM passes on, or collects, what goes from one to another. */
  mayPass(source: string, destination: string, isCollector: boolean): boolean;
  /** Whether this KM takes keys of a scheme from a source. */
  mayKeep(source: string, scheme: RelayScheme): boolean;
  /**
   * Looks for the KM after this one, where a relay says no more than where it is to end (Q.4164 §7.1).
   * @param done once, with the KM; undefined: none is known
   * @returns false if the route goes on as it is told
   */
  extend?(path: readonly string[], done: (next: string | undefined) => void): boolean;
  tell(event: RelayTold): void;
  /** A message that fits nothing. */
  odd(message: string): void;
}

export function useOfRelay(relay: Buffer): string {
  return `relay ${relay.toString("hex")}`;
}

/** @returns the relay that bytes were bound for, in hexadecimal; undefined: for something else */
export function relayOf(use: string | undefined): string | undefined {
  return isRelayUse(use) ? use?.slice(-32) : undefined;
}

/** Whether bytes were bound for a relay and not for applications. */
export function isRelayUse(use: string | undefined): boolean {
  return use !== undefined && /^relay [0-9a-f]{32}$/.test(use);
}

export function sourceOf({ path }: Pick<Relay, "path">): string {
  return path[0] as string;
}

export function destinationOf({ path }: Pick<Relay, "path">): string {
  return path.at(-1) as string;
}
