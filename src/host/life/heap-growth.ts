import { setFlagsFromString } from "node:v8";

/**
 * V8 collects garbage only when the heap has grown by this much over what lives in it, %. For a process that holds much
 * outside of a small heap, which V8 counts with it: else it collects without end.
 *
 * Not on the command line: Node.js ships its own modules compiled, and with another flag of V8's than it was built with it
 * compiles them anew, which is a sixth of a start.
 */
export function growHeapBy(percent: number): void {
  setFlagsFromString(`--heap-growing-percent=${percent}`);
}
