import { randomBytes } from "node:crypto";
import { closeSync, openSync, readFileSync, readSync } from "node:fs";
import test from "ava";
import { withNode } from "../rig/one-node.ts";

/** How often a pattern is in the memory that a process can write to. */
function occurrences(pid: number, patterns: readonly Buffer[]): number {
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
      if (!mode.startsWith("rw-")) continue;
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

test.serial(
  "after a thousand keys were supplied, the node's memory holds none of them",
  async (t) => {
    for (const transport of ["tls", "https"] as const) {
      await withNode({ transport, mode: "proactive" }, async ({ node, km, end, distil, until }) => {
        // Every key begins alike, with what nothing else begins with.
        const mark = randomBytes(15);
        const patterns = [
          mark,
          Buffer.from(mark.toString("base64")),
          Buffer.from(mark.toString("hex")),
        ];
        const keys = 1_000;
        const pid = () => node.pid as number;
        // That the search finds what is there: keys that wait for a KM which takes none.
        await km.stop();
        for (let i = 0; i < 20; i++) distil(Buffer.concat([mark, randomBytes(17)]));
        await until(() => node.pid !== undefined && occurrences(pid(), patterns) >= 20);
        await km.listen();
        for (let i = 20; i < keys; i++) distil(Buffer.concat([mark, randomBytes(17)]));
        await until(() => end.module.heldBlocks === 0);
        t.is(km.store.size, keys);
        // What is in flight is wiped when its write has come back.
        await new Promise((resolve) => setTimeout(resolve, 200));
        t.is(occurrences(pid(), patterns), 0, transport);
      });
    }
  },
);
