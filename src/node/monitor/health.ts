/** What the process uses of what it may: memory, descriptors, the event loop's time. */
import { readdirSync, readFileSync } from "node:fs";
import { totalmem } from "node:os";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { errorCode } from "../../base/errors.ts";
import { residentBytes } from "../../host/life/memory.ts";

export type Resource = "memory" | "descriptors" | "event_loop";

export interface Usage {
  readonly resource: Resource;
  /** Used part of what there is, 0 to 1; of the event loop: its delay, part of `slowMs`. */
  readonly part: number;
}

/** An event loop that is late by this much has no time left, ms. */
const slowMs = 1_000;
const nsPerMs = 1e6;

export class Health {
  readonly #delay = monitorEventLoopDelay({ resolution: 20 });

  constructor() {
    this.#delay.enable();
  }

  /** Since the last call, of the event loop. Never throws; what can't be read is left out. */
  take(): Usage[] {
    const late = this.#delay.percentile(99) / nsPerMs;
    this.#delay.reset();
    const found: Usage[] = [{ resource: "event_loop", part: late / slowMs }];
    const memory = memoryLimit();
    if (memory > 0) found.push({ resource: "memory", part: residentBytes() / memory });
    const descriptors = descriptorPart();
    if (descriptors !== undefined) found.push({ resource: "descriptors", part: descriptors });
    return found;
  }

  stop(): void {
    this.#delay.disable();
  }
}

/** What the service may use, else what the machine has; bytes. */
function memoryLimit(): number {
  const constrained = process.constrainedMemory();
  const all = totalmem();
  return constrained > 0 && constrained < all ? constrained : all;
}

function descriptorPart(): number | undefined {
  try {
    const limits = readFileSync("/proc/self/limits", "utf8");
    const limit = Number(/^Max open files\s+(\d+)/m.exec(limits)?.[1]);
    return limit > 0 ? readdirSync("/proc/self/fd").length / limit : undefined;
  } catch (error) {
    // None is left to look with.
    return errorCode(error) === "EMFILE" ? 1 : undefined;
  }
}
