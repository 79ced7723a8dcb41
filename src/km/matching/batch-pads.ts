/** Keys of the one-time MAC over batches, as both ends of matching want them. Pure. */

/** Bytes of a pad: for the tag of the proposal; in version 2 as many again as a tag has, for that of the answer. */
export const padOfProposal = 32;
export const padOfBoth = 48;

export interface BatchPads {
  /** This link's proposals are to be under them. */
  readonly wanted: boolean;
  /** The leader has enough of its own for one: as this end's books have it. */
  readonly there: boolean;
  /** @param digest of the batch @param done once: bytes that the caller wipes, or why there are none */
  lend(digest: Buffer, done: (pad: Buffer | string) => void): void;
  /**
   * What the leader has bound to a batch, used up here durably.
   * @param done with bytes that the caller wipes; undefined if they are damaged @returns false if there is none
   */
  claim(digest: Buffer, done: (pad: Buffer | undefined) => void): boolean;
}
