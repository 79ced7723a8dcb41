/** Memory of this process. The kernel tells it in a file, and where no descriptor is left no file is opened: then it is what it was. */
import { getHeapStatistics } from "node:v8";

let resident = 0;

/** Resident memory, bytes; 0 if it could never be read. */
export function residentBytes(): number {
  try {
    resident = process.memoryUsage.rss();
  } catch {
    // What it was last is near enough.
  }
  return resident;
}

/** Of the heap of JavaScript that is in use, bytes. */
export function heapBytes(): number {
  return getHeapStatistics().used_heap_size;
}
