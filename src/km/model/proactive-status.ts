/** Keys that are brought (Q.4160 I.2), as a key manager shows them. */

/** Sessions of one role, and what became of keys in them since the start. */
export interface DeliveriesStatus {
  /** Open now. */
  readonly sessions: number;
  /** By how they ended: `delivered`, or why not. */
  readonly deliveries: Readonly<Record<string, number>>;
  /** Keys that the destination said it has. */
  readonly keys: number;
}

export interface ProactiveStatus {
  /** Sessions that applications of this KM began. */
  readonly source: DeliveriesStatus;
  /** Those in which they are brought keys. */
  readonly destination: DeliveriesStatus;
}
