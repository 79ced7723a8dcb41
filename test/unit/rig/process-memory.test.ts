import { randomBytes } from "node:crypto";
import test from "ava";
import { countIn } from "../../rig/process-memory.ts";

test("each mark is counted once, also where the search begins anew", (t) => {
  const mark = randomBytes(15);
  const memory = Buffer.alloc(3 * 1_048_576 + 100);
  const marks = Math.floor(memory.length / 30);
  for (let i = 0; i < marks; i++) mark.copy(memory, 30 * i);
  const read = (target: Buffer, length: number, at: number) =>
    memory.copy(target, 0, at, at + length);
  t.is(countIn(read, 0, memory.length, [mark]), marks);
});
