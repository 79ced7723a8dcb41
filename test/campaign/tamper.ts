/**
 * Tampering while keys flow, again and again, with real processes: how long until the last key byte,
 * and until the module is told to destroy its key. Times are from the moment in which the controller
 * sends its report to those in which the KM has a key and the module its command: more than what is
 * asked, which ends where the node writes.
 */
import { PanelRig } from "../rig/panel-rig.ts";

export interface TamperResult {
  readonly runs: number;
  /** ms from the report to the last key at the KM; 0 if none came after it. */
  readonly last_key_p50: number;
  readonly last_key_max: number;
  /** ms from the report to the command at the module. */
  readonly zeroize_p50: number;
  readonly zeroize_max: number;
  /** Keys that came while tampering was latched. Must be 0. */
  readonly late: number;
}

/** @param transport of the modules: a PTY's bytes go through a worker of the kernel, which queues */
export async function tamper(runs: number, transport: "serial" | "socket"): Promise<TamperResult> {
  const lastKey: number[] = [];
  const zeroize: number[] = [];
  let late = 0;
  // Each rig has a deadline of its own.
  for (let left = runs; left > 0; left -= 5) {
    await PanelRig.with({ onTamper: "zeroize", transport }, async (bench) => {
      for (let i = Math.min(5, left); i > 0; i--) {
        const { controller } = bench;
        await bench.flowing();
        await bench.until("present", () => bench.status?.panel?.presence, { is: "ok" });
        // Not always in the same phase of all that beats.
        await new Promise((resolve) => setTimeout(resolve, Math.random() * 300));
        const told = bench.zeroized.length;
        const at = performance.now();
        controller.contact(1, true);
        await bench.until("told", () => bench.zeroized.length, { atLeast: told + 1 });
        await bench.until("latched", () => controller.shows("tamper", "red"));
        const keys = bench.keys.length;
        await bench.until("done", () => bench.status?.panel?.zeroize, { is: "done" });
        zeroize.push((bench.zeroized.at(-1) as number) - at);
        lastKey.push(Math.max(0, (bench.keys.at(-1) ?? 0) - at));
        late += bench.keys.length - keys;
        controller.contact(1, false);
        bench.initialise();
        await bench.until("closed", () => controller.hosted);
        let result = await bench.command("clear_tamper", {});
        while (result.reason === "contact_open") result = await bench.command("clear_tamper", {});
        if (result.status !== "done") throw new Error(`clear_tamper: ${result.reason}`);
      }
    });
  }
  return {
    runs,
    last_key_p50: middle(lastKey),
    last_key_max: round(Math.max(...lastKey)),
    zeroize_p50: middle(zeroize),
    zeroize_max: round(Math.max(...zeroize)),
    late,
  };
}

function middle(values: number[]): number {
  values.sort((a, b) => a - b);
  return round(values[Math.floor(values.length / 2)] ?? 0);
}

function round(value: number): number {
  return Number(value.toFixed(1));
}
