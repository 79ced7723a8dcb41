/** What this process uses at this moment. */
import { heapBytes, residentBytes } from "../../host/life/memory.ts";
import type { ProcessFacts } from "./process.ts";

/** @param viewers who watch its page */
export function usageNow(viewers: number): ProcessFacts {
  const { user, system } = process.cpuUsage();
  return {
    cpuSeconds: (user + system) / 1e6,
    residentBytes: residentBytes(),
    heapBytes: heapBytes(),
    viewers,
  };
}
