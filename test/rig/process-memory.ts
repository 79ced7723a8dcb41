/** What is in the memory of another process. */
import { closeSync, openSync, readFileSync, readSync } from "node:fs";

/**
 * Length of what is looked for, bytes; in base64 it begins anew after as many. Longer than 16: where V8 gives up compiled code it writes
 * the processor's registers into memory of its own, and one of them may have the last bytes that were copied, of a key as
 * well. That is 16 bytes at the most, and not a program's to wipe.
 */
export const markLength = 18;

const chunk = Buffer.alloc(1_048_576);
/** A pattern across two chunks is seen in the first; one that begins in the overlap, in the second only. */
const step = chunk.length - 64;

/** @returns how many bytes of memory from there on were put to the target @throws where none can be read */
type Read = (target: Buffer, length: number, at: number) => number;

/** How often patterns of at most 64 bytes are in a range of memory. */
export function countIn(
  read: Read,
  from: number,
  end: number,
  patterns: readonly Buffer[],
): number {
  let count = 0;
  for (let at = from; at < end; at += step) {
    let length = 0;
    try {
      length = read(chunk, Math.min(chunk.length, end - at), at);
    } catch {
      // A guard page, or memory that went away meanwhile.
      continue;
    }
    const bytes = chunk.subarray(0, length);
    for (const pattern of patterns) {
      let i = bytes.indexOf(pattern);
      for (; i >= 0 && i < step; i = bytes.indexOf(pattern, i + 1)) count++;
    }
  }
  return count;
}

/** How often a pattern is in the memory that a process can write to. @param counts which of its mappings, as /proc has them */
export function occurrences(
  pid: number,
  patterns: readonly Buffer[],
  counts: (mapping: string) => boolean = () => true,
): number {
  const maps = readFileSync(`/proc/${pid}/maps`, "latin1").split("\n");
  const memory = openSync(`/proc/${pid}/mem`, "r");
  const read: Read = (target, length, at) => readSync(memory, target, 0, length, at);
  let count = 0;
  try {
    for (const line of maps) {
      const [, from = "", to = "", mode = ""] = /^(\w+)-(\w+) (\S+)/.exec(line) ?? [];
      // Half a gigabyte is set aside for compiled code, which has no data in it.
      if (!mode.startsWith("rw-") || !counts(line)) continue;
      count += countIn(read, Number.parseInt(from, 16), Number.parseInt(to, 16), patterns);
    }
  } finally {
    closeSync(memory);
  }
  return count;
}
