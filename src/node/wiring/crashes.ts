/** The brake on a node that crashes again and again. */
import { uptime } from "node:os";
import { type Clock, delay } from "../../base/clock.ts";
import type { Log } from "../../base/log.ts";
import { brake, crashesIn } from "../../host/life/crashes.ts";
import type { NodeConfig } from "../config/tables.ts";
import type { Monitoring } from "./monitoring.ts";

export function crashFile({ state_dir }: NodeConfig): string {
  return `${state_dir}/crashes`;
}

/** A node that crashed again and again begins later, and says so first. */
export async function holdBack(
  monitoring: Monitoring,
  file: string,
  clock: Clock,
  signal: AbortSignal,
  log: Log,
): Promise<void> {
  const crashes = crashesIn(file);
  const ms = brake(crashes, uptime());
  if (ms === 0) return;
  log.error("crashed again and again: waiting", { ms });
  monitoring.watch.crashed(crashes.length);
  await delay(clock, ms, signal);
}
