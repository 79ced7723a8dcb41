/** Families that every program has: what its process uses, and who watches its page. Pure. */
import { type Family, one } from "../metrics/exposition.ts";

/** What the process uses. */
export interface ProcessFacts {
  readonly cpuSeconds: number;
  readonly residentBytes: number;
  readonly heapBytes: number;
  /** Who watches the page now. */
  readonly viewers: number;
}

export function processFamilies({
  cpuSeconds,
  residentBytes,
  heapBytes,
  viewers,
}: ProcessFacts): Family[] {
  const memory = (name: string, help: string, value: number) =>
    one(name, "gauge", help, value, "bytes");
  return [
    one("qkd_page_viewers", "gauge", "Browsers that watch the page.", viewers),
    one("process_cpu_seconds", "counter", "CPU time of the process.", cpuSeconds, "seconds"),
    memory("process_resident_memory_bytes", "Memory of the process.", residentBytes),
    memory("nodejs_heap_used_bytes", "JavaScript heap in use.", heapBytes),
  ];
}
