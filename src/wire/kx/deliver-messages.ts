/** What two key managers say of keys that the destination's brings to an application which has not asked (Q.4160 I.2). */

/** Why an application has not got them: one of `codes.delivery`. */
export type DeliveryFailure = "session" | "application" | "refused" | "late" | "busy" | "keys";

/** Owner → peer: bring these to the application of the session. They are bound there, for it. */
export interface Deliver {
  readonly type: "deliver";
  /** 16 bytes, drawn for this order. */
  readonly delivery: Buffer;
  /** Session ID that a controller gave. */
  readonly session: string;
  /** The answer is of no use any more after this, ms. */
  readonly within: number;
  /** KSA-key IDs, 16 bytes each: all of one use. */
  readonly ids: Buffer;
}

/** Peer → owner: the application says that it has all of them; or why it has not. */
export interface Delivered {
  readonly type: "delivered";
  readonly delivery: Buffer;
  /** Undefined: it has them. */
  readonly failure?: DeliveryFailure | undefined;
  /** KSA-key IDs of the keys that it has; none with a failure. */
  readonly ids: Buffer;
}

export type DeliveryMessage = Deliver | Delivered;
