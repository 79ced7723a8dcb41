/** Outboxes on a disk in memory. */

import { silentLog } from "../../src/base/log.ts";
import { Outbox, type OutboxOptions } from "../../src/ops/outbox/outbox.ts";
import { ManualClock } from "../clock.ts";
import { Disk } from "../faults/disk.ts";

export const outboxPath = "/state/outbox";

export function openOutbox(disk: Disk, more: Partial<OutboxOptions> = {}): Promise<Outbox> {
  const clock = new ManualClock();
  return Outbox.open({ files: disk, path: outboxPath, clock, log: silentLog, ...more });
}

/** For tests that are not about the disk. */
export function memoryOutbox(): Promise<Outbox> {
  return openOutbox(new Disk());
}
