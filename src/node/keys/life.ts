/**
 * A block's life as the ledger has it, in one table: what each kind of entry makes of a block. The
 * ledger, custody and what is kept back ask it, and `docs/block-life.md` shows it (a test compares). Pure.
 */

/** What was decided of a block. `offered`: nothing yet, though some of its keys may have left. */
export const blockStates = [
  "offered",
  "withheld",
  "damaged",
  "withheld_damaged",
  "complete",
  "discarded",
  "released",
] as const;
export type BlockState = (typeof blockStates)[number];

/** What happens to a block: an entry, told apart by what it is about. */
export const blockEvents = [
  /** A key of it is bound to a KM, or to a request of one. */
  "assigned",
  /** The KM has the keys of its first bits. */
  "delivered_to",
  /** What became of a key that may be on its way. */
  "sent",
  "returned",
  "delivered",
  "quarantined",
  /** An operator decided about a key in quarantine. */
  "key_discarded",
  "key_reinstated",
  /** The block as a whole. */
  "complete",
  "withheld",
  "damaged",
  "discarded",
  /** An operator lifts the reason for which it is withheld, or that it is damaged, or both. */
  "lifted",
  "mended",
  "reinstated",
  /** An operator allows what it is not withheld for. */
  "allowed",
  "released",
] as const;
export type BlockEvent = (typeof blockEvents)[number];

type Row = Readonly<Partial<Record<BlockEvent, BlockState>>>;

/** What becomes of keys that are on their way or in quarantine leaves the block as it is. */
function keys<const State extends BlockState>(state: State) {
  return {
    sent: state,
    returned: state,
    delivered: state,
    quarantined: state,
    key_discarded: state,
    key_reinstated: state,
    allowed: state,
  };
}

/** Keys of the block can leave. */
function leaving<const State extends BlockState>(state: State) {
  return { assigned: state, delivered_to: state, complete: "complete" } as const;
}

const always = { released: "released" } as const;

/** What is not in a row can't happen in that state. */
export const life: Readonly<Record<BlockState, Row>> = {
  offered: {
    ...keys("offered"),
    ...leaving("offered"),
    withheld: "withheld",
    damaged: "damaged",
    discarded: "discarded",
    reinstated: "offered",
    mended: "offered",
    ...always,
  },
  withheld: {
    ...keys("withheld"),
    withheld: "withheld",
    damaged: "withheld_damaged",
    discarded: "discarded",
    lifted: "offered",
    mended: "withheld",
    reinstated: "offered",
    ...always,
  },
  // What is in memory of a block that can't be read again is supplied.
  damaged: {
    ...keys("damaged"),
    ...leaving("damaged"),
    withheld: "withheld_damaged",
    damaged: "damaged",
    discarded: "discarded",
    mended: "offered",
    reinstated: "offered",
    ...always,
  },
  withheld_damaged: {
    ...keys("withheld_damaged"),
    withheld: "withheld_damaged",
    damaged: "withheld_damaged",
    discarded: "discarded",
    lifted: "damaged",
    mended: "withheld",
    reinstated: "offered",
    ...always,
  },
  complete: { damaged: "complete", ...always },
  discarded: { damaged: "discarded", ...always },
  // A module that was set back offers it again; keys may be under way when the
  // module lets go too early. A ledger that is written anew says what was let go of first.
  released: {
    ...keys("offered"),
    ...leaving("offered"),
    withheld: "withheld",
    damaged: "damaged",
    discarded: "discarded",
    ...always,
  },
};

/** @returns undefined if that can't happen to a block in this state */
export function next(state: BlockState, event: BlockEvent): BlockState | undefined {
  return life[state][event];
}

/** What a block does when its module offers it. */
export const whenOffered: Readonly<Record<BlockState, "take" | "leave" | "discard" | "release">> = {
  offered: "take",
  /** The gate leaves it, unless what was missing has come. */
  withheld: "take",
  damaged: "leave",
  withheld_damaged: "leave",
  complete: "release",
  discarded: "discard",
  /** The gate sees that it is a replay. */
  released: "take",
};

export function isWithheld(state: BlockState): boolean {
  return state === "withheld" || state === "withheld_damaged";
}

export function isDamaged(state: BlockState): boolean {
  return state === "damaged" || state === "withheld_damaged";
}

/** Whether the module may still be asked for it: it is neither with the KM, nor given up, nor let go of. */
export function isOpen(state: BlockState): boolean {
  return state !== "complete" && state !== "discarded" && state !== "released";
}
