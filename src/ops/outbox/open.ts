/** The manager's outbox, opened at boot. */
import type { Clock } from "../../base/clock.ts";
import { describe } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import type { FileSystem } from "../../host/disk/files.ts";
import { Outbox } from "./outbox.ts";

/** Of the state that survives a restart. */
export interface OutboxOfState {
  /** The outbox was made: from then on it must be there. */
  outbox?: boolean | undefined;
}

export interface OutboxParts {
  readonly files: FileSystem;
  readonly state: {
    readonly data: Readonly<OutboxOfState>;
    /** @throws Fault `state.io` */
    change(edit: (data: OutboxOfState) => void): Promise<void>;
  };
  readonly clock: Clock;
  readonly log: Log;
}

/** The outbox; that it was made is in the state, and one that is gone is not taken for a new one. */
export async function openOutbox(
  path: string,
  { files, state, clock, log }: OutboxParts,
): Promise<Outbox> {
  const expected = state.data.outbox === true;
  const options = { files, path, clock, log: log.child("outbox"), expected };
  const outbox = await Outbox.open(options);
  if (expected || outbox.failure !== undefined) return outbox;
  const made = state.change((data) => {
    data.outbox = true;
  });
  await made.catch((error) => log.warn("outbox is not in the state", { why: describe(error) }));
  return outbox;
}
