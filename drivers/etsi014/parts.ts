/** What both ends are made with, and tell. Pure. */
import type { Clock } from "../../src/base/clock.ts";
import type { Log } from "../../src/base/log.ts";
import type { ModuleEvent } from "../../src/port/module.ts";
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
  readonly tell: (event: ModuleEvent) => void;
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
  /** What is on disk was read. */
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
