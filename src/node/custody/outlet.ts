/** A key on its way to a KM, and a KM with the keys on their way to it. */
import type { Timer } from "../../base/clock.ts";
import type { Queue } from "../../base/queue.ts";
import type { QkdKey } from "../../port/key.ts";
import type { KmLink } from "../keys/ports.ts";
import type { Flight, Flying } from "./flight.ts";

const nobody: readonly string[] = [];

/** A key without a final answer of a KM. `QkdKey.holder` leads to it. */
export class Waiting<Owner> implements Flying<Waiting<Owner>> {
  readonly key: QkdKey;
  readonly owner: Owner;
  /** Where it is in flight; undefined if it is not. */
  outlet: Outlet<Owner> | undefined = undefined;
  before: Waiting<Owner> | undefined = undefined;
  after: Waiting<Owner> | undefined = undefined;
  supplies = 0;
  /** Answers that neither took it nor refused it for good nor asked to wait. */
  undecided = 0;
  /** KMs that will not have it. */
  refusedBy = nobody;
  /** The KM that it is bound to is on disk, or needn't be. */
  recorded = true;
  /** How often it was bound to a KM. */
  binding = 0;

  constructor(key: QkdKey, owner: Owner) {
    this.key = key;
    this.owner = owner;
    key.holder = this;
  }
}

/** One KM: its connection, and the keys that are its own. */
export interface Outlet<Owner> {
  readonly name: string;
  link: KmLink | undefined;
  /** Oldest first. */
  readonly queue: Queue<Waiting<Owner>>;
  /** Given to the KM and not answered for. */
  readonly flight: Flight<Waiting<Owner>>;
  pause: Timer | undefined;
  waits: Iterator<number> | undefined;
  /** An operator has freed its keys, and that is not on disk yet: none of its queue is written. */
  freeing: boolean;
}
