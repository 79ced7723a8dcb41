/** The process that asks a token does not outlive the key manager, however early that is gone. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import type { Readable } from "node:stream";
import test from "ava";

const child = join(import.meta.dirname, "../../../../src/km/io/hsm/hsm-child.ts");
const request = {
  ...{ act: "look", module: "/none.so", key: "x", pin_file: "/none", km: "x" },
  ...{ by_hand: false, make_key: false, wrapped: [] },
};

/** @param parent whose end the child believes to be its own */
async function ask(parent: number): Promise<{ code: number; said: number }> {
  const process_ = spawn(process.execPath, ["--no-warnings", child, `${parent}`], {
    stdio: ["pipe", "ignore", "ignore", "pipe"],
  });
  process_.stdin?.on("error", () => {}).end(`${JSON.stringify(request)}\n`);
  let said = 0;
  (process_.stdio[3] as Readable).on("data", (part: Buffer) => {
    said += part.length;
  });
  const [code] = await once(process_, "close");
  return { code: code as number, said };
}

test("a child whose key manager was gone before it could ask for its signal ends unasked", async (t) => {
  t.deepEqual(await ask(1), { code: 1, said: 0 });
  const own = await ask(process.pid);
  t.is(own.code, 0);
  t.true(own.said > 0);
});
