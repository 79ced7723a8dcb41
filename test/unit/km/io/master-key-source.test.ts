/** Which of several master keys a start takes, and what it says of those that it can't have. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "ava";
import { Fault } from "../../../../src/base/errors.ts";
import { Keyring } from "../../../../src/km/io/engine/keyring.ts";
import type { Wrapped } from "../../../../src/km/io/hsm/protocol.ts";
import { openMasterKey } from "../../../../src/km/io/master-key-source.ts";
import { ManualClock } from "../../../clock.ts";
import { Disk } from "../../../faults/disk.ts";
import { TokenOfTest, tokenConfig } from "../../../rig/token-of-test.ts";

const path = "/km/master-key.hsm";
const next = `${path}.next`;
const clock = new ManualClock();

/** A store, and two master keys, of which it has one. */
async function bench() {
  const [disk, token, gone] = [new Disk(), new TokenOfTest(), new TokenOfTest(1)];
  const [own, other] = [token.bytes(32), token.bytes(32)];
  await new Keyring(disk, "/km/store", (length) => token.bytes(length)).open(own, true);
  const put = (file: string, content: Wrapped | string) =>
    disk.put(file, Buffer.from(typeof content === "string" ? content : JSON.stringify(content)));
  const open = (config: Parameters<typeof openMasterKey>[0] = tokenConfig) =>
    openMasterKey(config, clock, { files: disk, ask: token.ask });
  return { disk, token, gone, own, other, put, open };
}

test("a wrapped key that can't be had stops no start with another that opens the store, and goes", async (t) => {
  const { disk, token, gone, own, other, put, open } = await bench();
  const useless = [
    [gone.wrap(other), /wrapped by another key/],
    ["x", /damaged/],
    [{ ...token.wrap(other), version: 2 }, /a later version/],
  ] as const;
  for (const [content, message] of useless) {
    for (const [good, bad] of [
      [path, next],
      [next, path],
    ] as const) {
      put(good, token.wrap(own));
      put(bad, content);
      const found = await open();
      t.deepEqual(found.key, own);
      t.is(found.useless?.length, 1);
      t.regex(found.useless?.[0]?.message ?? "", message);
      t.is(found.useless?.[0]?.facts.file, bad);
      await found.settle();
      t.is(disk.read(next), undefined);
      t.deepEqual((await open()).key, own);
    }
  }
});

test("where none opens the store, the one that can't be had is told by its file", async (t) => {
  const { token, gone, own, other, put, open } = await bench();
  put(path, token.wrap(other));
  put(next, gone.wrap(own));
  const error = await t.throwsAsync<Fault>(open(), { instanceOf: Fault });
  t.like(error, { code: "hsm.key", facts: { file: next } });
  put(path, gone.wrap(own));
  t.like(await t.throwsAsync(open()), { code: "hsm.key", facts: { file: path } });
  put(path, token.wrap(other));
  put(next, token.wrap(other));
  await t.throwsAsync(open(), { message: /made with another master key than these/ });
});

test("a store with the key of a file starts without the token that it had", async (t) => {
  const { disk, own, other, open, put, gone } = await bench();
  const folder = mkdtempSync(join(tmpdir(), "qkd-km-source-"));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const file = join(folder, "next");
  const config = { ...tokenConfig, store: { ...tokenConfig.store, master_key_next_file: file } };
  put(path, gone.wrap(other));
  await t.throwsAsync(open(config), { message: /wrapped by another key/ });
  // Whether it is there is asked of the disk of the test, what is in it of this machine's.
  disk.put(file, own);
  writeFileSync(file, other, { mode: 0o600 });
  await t.throwsAsync(open(config), { message: /wrapped by another key/ });
  writeFileSync(file, own, { mode: 0o600 });
  t.like(await open(config), { from: "next_file", key: own });
});

test("a start without its store takes away no key that the store may have alone", async (t) => {
  const { disk, token, own, other, put, open } = await bench();
  put(path, token.wrap(other));
  put(next, token.wrap(own));
  // A folder that is not mounted, or was moved away.
  const names = await disk.list("/km/store");
  const store = new Map(names.map((name) => [name, disk.read(`/km/store/${name}`) as Buffer]));
  for (const name of names) await disk.remove(`/km/store/${name}`);
  await t.throwsAsync(open(), { code: "km_store.io", message: /there is no store, and a wrapped/ });
  t.not(disk.read(next), undefined);
  for (const [name, bytes] of store) disk.put(`/km/store/${name}`, bytes);
  t.deepEqual((await open()).key, own);
});
