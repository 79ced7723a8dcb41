/**
 * The messages by which keys are relayed between KMs that share no fibre (Y.3803 §8.2.3, §9). What a body holds is
 * of use to none without a pad that both ends of its link have bound for this message alone.
 */

/** How a key is relayed: case 1 and 2 (Y.3803 Figures 5, 6), Figures 7 and 8, and AES-256-GCM in place of one-time pads. */
export type RelayScheme = "case-1" | "case-2" | "destination" | "centralized" | "aes";

/** Along the route to the next KM; the XOR of two hops' keys; what a collector made of all XORs. */
export type RelayStep = "hop" | "xor" | "sum";

/** One message of a relay, with the metadata of the relayed key (Y.3803 Table 1, item 3). */
export interface Relay {
  readonly type: "relay";
  /** Names the relay, and the key at both its ends; 16 bytes. */
  readonly relay: Buffer;
  /** KSA-key ID of the pad on this link: its first bytes are the key of the hop, its last 32 that of the tag. */
  readonly pad: Buffer;
  readonly scheme: RelayScheme;
  readonly step: RelayStep;
  /** KM IDs from source to destination. */
  readonly path: readonly string[];
  /** KM ID of who collects XORs; of the scheme `centralized` alone. */
  readonly collector?: string;
  /** Place of the sender in the path; of a collector 0. */
  readonly at: number;
  /** When the relay began, ms since 1970 UTC by the clock of its source. */
  readonly time: number;
  /** Bytes of the relayed key. */
  readonly length: number;
  /**
   * The relayed key under the pad, or an XOR of hops' keys; empty where the hop's key itself counts. A longer one than a
   * frame has room for goes in pieces (`relay-pieces.ts`).
   */
  readonly body: Buffer;
  /** One-time MAC over the payload without the tag, and then the pieces, 16 bytes. */
  readonly tag: Buffer;
}

/** Why a relay came to nothing. */
export type RelayFailure =
  | "policy"
  | "route"
  | "away"
  | "stock"
  | "refused"
  | "late"
  | "pad"
  | "tag"
  | "full"
  | "busy"
  /** A KM of the route speaks version 1 with the next, which has no room for so long a key; told over version 2 alone. */
  | "long";

/** Back along the route: the destination has the key, durably, or what went wrong, and where. */
export interface Relayed {
  readonly type: "relayed";
  readonly relay: Buffer;
  /** KM ID: the destination, or where it failed. */
  readonly at: string;
  /** Missing: the destination has it. */
  readonly failure?: RelayFailure;
}

/** Source → destination: the relay is given up, its key is not used. */
export interface RelayVoid {
  readonly type: "relayVoid";
  readonly relay: Buffer;
}

/** A part of the body of the RELAY that follows: nothing comes between them. Of version 2. */
export interface RelayPiece {
  readonly type: "relayPiece";
  readonly bytes: Buffer;
}

export type RelayMessage = Relay | Relayed | RelayVoid;
