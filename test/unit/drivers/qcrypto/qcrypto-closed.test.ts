/** Files that the node may not read: as another user, since root may read all. */
import { chmodSync } from "node:fs";
import { open } from "node:fs/promises";
import { dirname, join } from "node:path";
import test from "ava";
import { fileName } from "../../../../drivers/qcrypto/file.ts";
import { KeyFolder } from "../../../../drivers/qcrypto/folder.ts";
import { Stock, Told } from "../../../../drivers/qcrypto/stock.ts";
import { block, withStack } from "../../../rig/qcrypto-bench.ts";

const nobody = 65_534;

/** Until the function that is returned is called files can be closed to this process. */
function asAnother(): () => void {
  const own = process.geteuid?.();
  if (own !== 0) return () => {};
  process.seteuid?.(nobody);
  return () => process.seteuid?.(own);
}

test.serial("a file that may not be read is not damaged, and holds up no other", async (t) => {
  await withStack(async (bench) => {
    const [first, second] = [block(1, 64), block(2, 64)];
    for (const one of [first, second]) bench.stack.distil(one);
    const path = join(bench.stack.folder, fileName(first.epoch));
    chmodSync(path, 0);
    for (const open of [bench.stack.folder, dirname(bench.stack.folder)]) chmodSync(open, 0o755);
    chmodSync(join(bench.stack.folder, fileName(second.epoch)), 0o644);
    const back = asAnother();
    let read: Awaited<ReturnType<KeyFolder["read"]>>;
    try {
      const folder = await KeyFolder.open(bench.stack.folder, 1_000_000);
      read = await folder.read(first.epoch, 1_000_000);
      t.is((await folder.read(second.epoch, 1_000_000)).kind, "key");
    } finally {
      back();
    }
    t.deepEqual(read, { kind: "closed", why: "cannot be opened: EACCES" });
  });
});

for (const [code, kind] of [
  ["ENOMEM", "closed"],
  ["ESTALE", "closed"],
  ["ENOTCONN", "closed"],
  ["EIO", "bad"],
] as const) {
  test.serial(
    `a file of which reading ends with ${code} in mid-key is ${kind}, and what was read is wiped`,
    async (t) => {
      await withStack(async (bench) => {
        const one = block(1, 1_024);
        bench.stack.distil(one);
        const folder = await KeyFolder.open(bench.stack.folder, 1_000_000);
        const file = await open(bench.stack.folder);
        const handles = Object.getPrototypeOf(file);
        await file.close();
        const { read } = handles;
        const targets: Buffer[] = [];
        handles.read = function (target: Buffer, at: number, length: number, from: number) {
          targets.push(target);
          if (targets.length < 3) return read.call(this, target, at, Math.min(length, 16), from);
          return Promise.reject(Object.assign(new Error("as injected"), { code }));
        };
        t.teardown(() => {
          handles.read = read;
        });
        t.deepEqual(await folder.read(one.epoch, 1_000_000), {
          kind,
          why: `cannot be read: ${code}`,
        });
        t.is(targets.length, 3);
        t.true(targets[2]?.every((byte) => byte === 0));
        handles.read = read;
        t.is((await folder.read(one.epoch, 1_000_000)).kind, "key");
      });
    },
  );
}

test("a closed block is looked at again after a while, and others meanwhile", (t) => {
  const stock = new Stock({ notificationWait: 0, incompleteWait: 1_000 }, new Told());
  stock.scanned([1, 2], 0);
  const first = stock.next(0);
  t.is(first?.epoch, 1);
  if (first === undefined) return;
  first.state = "closed";
  t.is(stock.next(10)?.epoch, 2);
  t.deepEqual(
    stock.closed.map(({ epoch }) => epoch),
    [1],
  );
  t.is(stock.next(5_000)?.epoch, 1);
});
