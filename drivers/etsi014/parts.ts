/** What both ends are made with, and tell. Pure. */
import type { Clock } from "../../src/base/clock.ts";
import { Fault } from "../../src/base/errors.ts";
import type { Log } from "../../src/base/log.ts";
import type { Books } from "./books.ts";
import type { Kme } from "./kme.ts";
import type { Message } from "./messages.ts";
import type { Shelf } from "./shelf.ts";

export interface EndParts {
  readonly shelf: Shelf;
  readonly kme: Kme;
  readonly clock: Clock;
  readonly log: Log;
  readonly books: Books;
  /** What does not fit together at the two ends; undefined: all does again. */
  readonly outOfStep: (why: string | undefined) => void;
  /** The session cannot go on. */
  readonly fail: (error: unknown) => void;
}

/** One connection to the other end, once both have said who they are. */
export interface Line {
  send(message: Message): void;
  close(): void;
}

/** An end of the pair: leads or follows. */
export interface End {
  /** What is on disk was read. @throws Fault `module.role` if keys wait there that the other role has to see to */
  began(): void;
  /** The connection is there. @param newest the newest batch of which the other end knows */
  met(line: Line, newest: { readonly epoch: string; readonly number: number } | undefined): void;
  /** That connection is gone. */
  parted(line: Line): void;
  /** @throws Fault `peer.message` for what the other end should not say */
  hear(message: Message): void;
  /** Each second. */
  tick(): void;
  /** Keys that were taken are on disk when this resolves, or wiped. Never rejects. */
  close(): Promise<void>;
  /** All that was known of keys is destroyed. */
  forget(): void;
}

/**
 * Keys that one role left on the disk are of no use to the other: the end that has them too would wait for ever.
 * @param state of batches that the other role alone leaves
 * @throws Fault `module.role` if there are some
 */
export function assertOwn(shelf: Shelf, state: "told" | "open"): void {
  const left = [...shelf.batches()].filter(({ facts }) => facts.state === state);
  if (left.length === 0) return;
  const keys = left.reduce((sum, { facts }) => sum + facts.count, 0);
  const why =
    "`lead` was changed while keys wait for the other end: put it back at both ends until they are supplied, or zeroize";
  throw new Fault("module.role", why, { keys });
}
