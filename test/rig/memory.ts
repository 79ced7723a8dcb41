/** What a test may say of memory: after a collection, without what the runtime keeps in reserve. */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

setFlagsFromString("--expose-gc");
const collect: () => void = runInNewContext("gc");

/** Resident memory without the heap's free space, which the runtime sizes as it pleases; bytes. */
export function resident(): number {
  collect();
  const { rss, heapTotal, heapUsed } = process.memoryUsage();
  return rss - (heapTotal - heapUsed);
}

/** Objects and buffers that something still refers to, bytes. */
export function inUse(): number {
  collect();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
