/** Topics of others that a program reads, and never writes to. */
export interface Listening {
  readonly filters: readonly string[];
  /** @param retained the broker has it from before: it comes for the subscription */
  readonly onMessage: (topic: string, payload: Buffer, retained: boolean) => void;
  /** A connection begins: nothing has come on it yet. */
  readonly onConnected: () => void;
  /** The broker has taken the subscription. */
  readonly onSubscribed: () => void;
  /** The connection is over. */
  readonly onEnded: () => void;
}
