/** The brake on a node that crashes again and again. */
import { uptime } from "node:os";
import { delay } from "../../base/clock.ts";
import type { Log } from "../../base/log.ts";
import { brake, crashesIn } from "../../host/life/crashes.ts";
import type { Config } from "../config/load.ts";
import { clock } from "./machine.ts";
import type { Monitoring } from "./monitoring.ts";

export function crashFile({ node }: Config): string {
  return `${node.state_dir}/crashes`;
}

/** A node that crashed again and again begins later, and says so first. */
export async function holdBack(
  monitoring: Monitoring,
  file: string,
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
