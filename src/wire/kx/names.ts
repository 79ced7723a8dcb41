/**
 * Every code and limit of Kx, the link between two key managers, in one table. Y.3803 names the reference
 * points and leaves the protocol open: this is the project's profile, written down in README.md.
 */

/** Of HELLO, the newest first. Each has an ALPN of its own, so that both ends agree before a byte is exchanged. */
export const versions = [2, 1] as const;
export type KxVersion = (typeof versions)[number];

/** Application protocol in the TLS handshake (RFC 7301). */
export function alpnOf(version: KxVersion): string {
  return `qkd-kx/${version}`;
}

/** @param alpn that the handshake agreed upon; undefined: none of this protocol */
export function versionOf(alpn: string | false | null | undefined): KxVersion | undefined {
  return versions.find((version) => alpnOf(version) === alpn);
}

/** CommandCode of each message, in the header of Annex A of Kq-1. */
export const command = {
  hello: 0x0101,
  sync: 0x0102,
  syncExtents: 0x0103,
  syncUses: 0x0104,
  syncEnd: 0x0105,
  alive: 0x0106,
  propose: 0x0111,
  match: 0x0112,
  noMatch: 0x0113,
  commit: 0x0114,
  abort: 0x0115,
  matchMac: 0x0116,
  offer: 0x0121,
  ack: 0x0122,
  assign: 0x0123,
  void: 0x0124,
  take: 0x0125,
  taken: 0x0126,
  fate: 0x0127,
  fateOk: 0x0128,
  deliver: 0x0129,
  delivered: 0x012a,
  give: 0x0131,
  given: 0x0132,
  ask: 0x0133,
  relay: 0x0141,
  relayed: 0x0142,
  relayVoid: 0x0143,
  relayPiece: 0x0144,
} as const;

/** Commands that version 1 does not have. */
export const sinceVersion2: ReadonlySet<number> = new Set([
  command.matchMac,
  command.relayPiece,
  command.deliver,
  command.delivered,
]);

/** Bytes of fields whose length never changes. */
export const size = {
  incarnation: 16,
  nonce: 16,
  digest: 32,
  /** QKD-key ID and KSA-key ID. */
  id: 16,
  /** Incarnation and a counter. */
  offer: 24,
  tag: 16,
} as const;

export const limits = {
  /** Characters of a KM ID and of a module ID; a character of UTF-8 has 4 bytes at most. */
  name: 128,
  nameBytes: 512,
  /** UTF-8 bytes of a set of applications. */
  useBytes: 2_048,
  /** QKD-keys of a batch. */
  batchKeys: 2_048,
  /** Bytes of one QKD-key. */
  keyBytes: 1_048_576,
  /** Bytes of an extent. */
  extentBytes: 0x8000_0000,
  /** Regions of one extent. */
  regions: 2_048,
  /** Ranges of one key. */
  ranges: 1_024,
  /** Keys of one offer. */
  offerKeys: 1_024,
  /** Session ID of a controller. */
  session: 128,
  sessionBytes: 512,
  /** ms that an application may take to get keys which it has not asked for. */
  deliveryMs: 600_000,
  /** Slaves of a set of applications. */
  slaves: 16,
  /** KMs of a route, with both its ends. */
  routeKms: 32,
  /** UTF-8 bytes of all their KM IDs: with the longest body a message fits a frame. */
  routeBytes: 4_096,
  /** Bytes of a relayed key; and of one that version 1 can carry. */
  relayBytes: 1_048_576,
  shortRelayBytes: 57_344,
  /** Bytes of the body in the frame of a RELAY: AES-GCM adds its tag. */
  relayBody: 57_360,
  /** Bytes of a piece of a longer body. */
  relayPiece: 57_344,
  /** Seconds that the other application has to fetch a key. */
  pickUp: 31_622_400,
  /** u32 */
  version: 0xffff_ffff,
  /** u64 on the wire, of which no more than this is used. */
  count: Number.MAX_SAFE_INTEGER,
} as const;

/** One byte on the wire: the place in the list, from 1. Nothing is ever put in between. */
export const codes = {
  fate: ["T", "X", "V"],
  extentState: ["Q", "R", "M"],
  useState: ["O", "P", "S", "B", "T", "X", "V"],
  noMatch: ["lacking", "hash", "number", "length", "full"],
  refusal: ["used", "owner", "hash", "policy", "limit"],
  delivery: ["session", "application", "refused", "late", "busy", "keys"],
  relayScheme: ["case-1", "case-2", "destination", "centralized", "aes"],
  relayStep: ["hop", "xor", "sum"],
  relayFailure: [
    "policy",
    "route",
    "away",
    "stock",
    "refused",
    "late",
    "pad",
    "tag",
    "full",
    "busy",
    "long",
  ],
} as const;

/** How both ends derive the key of the keyed hashes of a session (RFC 8446 §7.5): see README.md. */
export const tagKey = { label: "EXPORTER-qkd-kx-tag", bytes: 16 } as const;

export const times = {
  /** From the connection to the end of the handshake. */
  handshakeMs: 10_000,
  /** From the handshake to HELLO. */
  helloMs: 10_000,
  /** After so long without another message ALIVE is sent. */
  aliveMs: 2_000,
  /** A KM from which nothing came for so long, or that has read nothing, is given up. */
  silenceMs: 10_000,
  /** A frame that has begun is complete within this: bytes of one that never ends are no sign of life. */
  frameMs: 30_000,
} as const;
