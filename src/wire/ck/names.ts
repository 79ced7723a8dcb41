/**
 * Codes, limits, times and words of Ck (ITU-T Q.4164, text for consent of 10/2023), between a key manager and a
 * QKDN controller. What the messages are is in `table.ts`; where the draft leaves a thing open: README.md.
 */

/**
 * Application protocol in the TLS handshake (RFC 7301). The draft has none: an end that names it knows the
 * messages that are ours too, and an end that names none is spoken to by the draft alone.
 */
export const alpn = "qkd-ck/1";
/** The same for gRPC, which is HTTP/2. */
export const grpcAlpn = "h2";

/** Names of gRPC; the draft gives those of messages and fields alone. */
export const grpcNames = {
  package: "qkd.ck.v1",
  /** Served by the controller. */
  controller: "QkdnController",
  /** Served by the key manager. */
  km: "KeyManager",
  /** The stream that carries all messages both ways. */
  stream: "Connect",
  envelope: "Envelope",
  /** How a relay went, for a KM that asked for its route by an RPC, and what is answered. */
  relayResult: "TellKeyRelay",
  nothing: "Nothing",
} as const;

export const limits = {
  /** Characters (code points) of IDs, and their bytes in UTF-8. */
  id: 128,
  idBytes: 512,
  /** Characters of a response that is no success. */
  reason: 256,
  /** KMA IDs in a list: of a route, or of next hops. */
  kmas: 64,
  /** KMs of a route that a KM takes, with both its ends, and UTF-8 bytes of their IDs: as a RELAY has room for. */
  routeKms: 32,
  routeBytes: 4_096,
  /** Key IDs of a message as a whole. */
  keyIds: 16_384,
  /** KSA-keys of a session. */
  number: 1_000_000,
  /** Objects in `extension`, and bytes of JSON of each. */
  extensions: 1_024,
  extensionBytes: 8_192,
  /** Frames that one message is cut into. */
  parts: 64,
  /** Messages of which some frames are there, and others not. */
  series: 4,
  /** Bytes of a message as a whole, over either binding. */
  bytes: 1_048_576,
  /** Commands of one side that have no answer yet. */
  unanswered: 256,
} as const;

/**
 * The KM's MessageIDs are from 1, the controller's from here: so a Key relay request that answers a notification
 * (its MessageID is the KM's) is never taken for one that the controller begins.
 */
export const firstIdOf = { km: 1, controller: 0x8000_0000 } as const;
export const lastIdOf = { km: 0x7fff_ffff, controller: 0xffff_ffff } as const;

/** ms */
export const times = {
  /** A frame, or a message in several frames, that has begun is complete. */
  message: 10_000,
  /** An answer comes within this, unless the caller says more: a relay takes longer. */
  answer: 10_000,
  /** A KM whose controller has our messages tells something at least so often. */
  every: 5_000,
  /** An end that has our messages and hears nothing for so long ends the connection. */
  silence: 15_000,
  /** What waits for the other end moves within this. */
  stalled: 10_000,
} as const;

/** The word for success in `response`, and what else this project writes there. */
export const success = "success";
export const reasons = [
  "no_route",
  "no_keys_available",
  "unknown_kma",
  "unknown_application",
  "unknown_key_id",
  "unknown_session",
  "unauthorized",
  "invalid_message",
  "not_supported",
  "busy",
  "timed_out",
  "relay_failed",
  "internal_error",
] as const;
export type CkReason = (typeof reasons)[number];

/** Members of objects in `extension` that this project knows; all others are handed on unread. */
export const extension = {
  /** More frames of this message follow, under the same MessageID. */
  more: "more",
  /** Why there is no next hop, or no route: messages without a Response of their own. */
  response: "response",
  /** One link, in a report. */
  link: "link",
  /** One pair of KMs without a fibre, of which the reporting KM is one. */
  pair: "pair",
  /** Applications that the reporting KM serves. */
  applications: "applications",
  /** What applications used of one link. */
  usage: "usage",
  /** A session that is open, or has ended. */
  session: "session",
  /** The reporting KM itself. */
  km: "km",
  /** In what a controller says: another one leads. */
  standby: "standby",
  /** Of a relay: bits that are wanted, or were relayed. */
  bits: "bits",
  /** Of a Key relay request: the Response comes within so many seconds. */
  within: "within_s",
  /** Of a Key relay request: the reserved key that is to be relayed. */
  reserved: "reserved_key_id",
  /** Of a Key reservation request: the KM of the link whose key is reserved. */
  next: "next_kma_id",
  /** Of a Response to key relay request: the KM where the relay failed. */
  failedAt: "failed_at",
  /** Of a Session creation notification: the session is over. */
  ended: "ended",
  /** Of a Session creation request and notification: how the destination gets its keys. */
  supply: "supply",
  /** Of a Key relay request: a link is put into or out of service. */
  service: "service",
  /** Of a Response to report: a part of the list of certificates that the controller took back. */
  revocations: "revocation_list",
} as const;

/** Keys of a session are brought to the destination, which does not ask for them (Q.4160 I.2); not told: it asks. */
export const proactive = "proactive";

/** Whether a link takes part in relays (IMDA RS QKDN §7.2). */
export const services = ["in_service", "out_of_service", "standby", "reserved"] as const;
export type Service = (typeof services)[number];
