/** What is in the memory of another process. */
import { closeSync, openSync, readFileSync, readSync } from "node:fs";

/** How often a pattern is in the memory that a process can write to. @param counts which of its mappings, as /proc has them */
export function occurrences(
  pid: number,
  patterns: readonly Buffer[],
  counts: (mapping: string) => boolean = () => true,
): number {
  const maps = readFileSync(`/proc/${pid}/maps`, "latin1").split("\n");
  const memory = openSync(`/proc/${pid}/mem`, "r");
  const chunk = Buffer.alloc(1_048_576);
  // So that a pattern across two chunks is seen.
  const overlap = 64;
  let count = 0;
  try {
    for (const line of maps) {
      const [, from = "", to = "", mode = ""] = /^(\w+)-(\w+) (\S+)/.exec(line) ?? [];
      // Half a gigabyte is set aside for compiled code, which has no data in it.
      if (!mode.startsWith("rw-") || !counts(line)) continue;
      const end = Number.parseInt(to, 16);
      for (let at = Number.parseInt(from, 16); at < end; at += chunk.length - overlap) {
        let length = 0;
        try {
          length = readSync(memory, chunk, 0, Math.min(chunk.length, end - at), at);
        } catch {
          // A guard page, or memory that went away meanwhile.
          continue;
        }
        const bytes = chunk.subarray(0, length);
        for (const pattern of patterns) {
          for (let i = bytes.indexOf(pattern); i >= 0; i = bytes.indexOf(pattern, i + 1)) count++;
        }
      }
    }
  } finally {
    closeSync(memory);
  }
  return count;
}
