/** What custody counts, from the start of the process. */
export interface CustodyCounters {
  /** Keys given to the KM, each counted once. */
  supplied: number;
  /** Keys that the KM confirmed. */
  confirmed: number;
  /** Further supplies of a key, after a reconnect or a refusal for now. */
  repeats: number;
  /** Answers that were not `success`, by reason. */
  refused: Record<string, number>;
  /** Blocks held back by the quality gate. */
  withheld: number;
  /** Keys refused for good, and blocks that can't be read undamaged. */
  quarantined: number;
  /** Blocks that came without a QBER. */
  without_qber: number;
  /** Blocks that yielded no key. */
  empty_blocks: number;
  /** Blocks that the module offered again after it had let go of them. */
  replayed_blocks: number;
  /** Confirmed key, bits. */
  bits: number;
  /** Blocks that the module confirmed to have let go. */
  released_blocks: number;
  /** Keys supplied and not yet answered for. */
  in_flight: number;
  /** Blocks in the node's memory. */
  held_blocks: number;
}

export function newCounters(): CustodyCounters {
  return {
    supplied: 0,
    confirmed: 0,
    repeats: 0,
    refused: {},
    withheld: 0,
    quarantined: 0,
    without_qber: 0,
    empty_blocks: 0,
    replayed_blocks: 0,
    bits: 0,
    released_blocks: 0,
    in_flight: 0,
    held_blocks: 0,
  };
}
