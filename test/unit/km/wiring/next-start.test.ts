/** Whether the next start would have the master key is found out while the store is open, and does not disturb it. */
import { mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { systemClock } from "../../../../src/base/clock.ts";
import { ms } from "../../../../src/base/duration.ts";
import { Fault } from "../../../../src/base/errors.ts";
import { diskFiles } from "../../../../src/host/disk/files.ts";
import { openEngine } from "../../../../src/km/io/engine/open.ts";
import type { MasterKeyConfig } from "../../../../src/km/io/master-key-source.ts";
import { NextStart } from "../../../../src/km/wiring/next-start.ts";
import { ManualClock } from "../../../clock.ts";
import { eventually } from "../../../eventually.ts";
import { TokenOfTest, tokenConfig } from "../../../rig/token-of-test.ts";

const keys = { first: "11".repeat(32), second: "22".repeat(32) } as const;

/** A store under the first key. */
async function bench(t: ExecutionContext) {
  const folder = await mkdtemp(join(tmpdir(), "qkd-next-start-"));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  const clock = new ManualClock();
  const { store } = await openEngine({
    folder: `${folder}/store`,
    masterKey: Buffer.from(keys.first, "hex"),
    limitBytes: 1e9,
    wipeAfter: ms(10_000),
    clock: systemClock,
    onFailure: (error) => t.fail(`${error}`),
  });
  await store.close();
  const write = (name: string, text: string) =>
    writeFile(`${folder}/${name}`, text, { mode: 0o600 });
  const km = { id: "km-a", state_dir: folder };
  const open = (store: MasterKeyConfig["store"]) => {
    let answer: "there" | "gone" = "there";
    let asks = 0;
    const { ask: answered } = new TokenOfTest();
    const ask: typeof answered = async (request, ...rest) => {
      t.is(request.act, "look", "no PIN is given to it");
      asks++;
      if (answer === "gone") throw new Fault("hsm.token", "there is no such token", { token: "t" });
      return answered(request, ...rest);
    };
    const next = new NextStart({ config: { km, store }, clock, ask });
    const look = async () => {
      await next.look();
      return next.status;
    };
    const token = (is: typeof answer) => {
      answer = is;
    };
    return { next, look, token, asked: () => asks };
  };
  return { folder, clock, write, open };
}

test("a master key file that is gone, another, or that others can read is told, and one that is back is not", async (t) => {
  const { folder, write, open } = await bench(t);
  const file = `${folder}/master.key`;
  const { look } = open({ master_key_file: file });
  t.deepEqual(await look(), {
    fails: `the master key cannot be read (file=${file}, reason=ENOENT)`,
  });
  await write("master.key", keys.second);
  t.deepEqual(await look(), { fails: `the store has another master key than that of ${file}` });
  await write("master.key", keys.first);
  t.deepEqual(await look(), {});
  await rename(`${folder}/store`, `${folder}/elsewhere`);
  t.deepEqual(await look(), { fails: `the store is not in ${folder} any more` });
});

test("a next file that has the key of the store is enough, beside a token that is gone, too", async (t) => {
  const { folder, write, open } = await bench(t);
  const [file, next] = [`${folder}/master.key`, `${folder}/next.key`];
  await write("master.key", keys.second);
  const plain = open({ master_key_file: file, master_key_next_file: next });
  t.regex((await plain.look()).fails ?? "", /another master key/);
  await write("next.key", keys.first);
  t.deepEqual(await plain.look(), {});
  const hsm = open({ hsm: tokenConfig.store.hsm, master_key_next_file: next });
  hsm.token("gone");
  t.deepEqual(await hsm.look(), {});
});

test("a token that is gone is told, as is a wrapped key that is not there or left of a re-key", async (t) => {
  const { folder, clock, write, open } = await bench(t);
  const { hsm } = tokenConfig.store;
  const { next, look, token, asked } = open({ hsm });
  const path = `${folder}/master-key.hsm`;
  t.deepEqual(await look(), { fails: `${path} is not there` });
  const wrapped = JSON.stringify(new TokenOfTest().wrap(Buffer.from(keys.first, "hex")));
  await write("master-key.hsm", wrapped);
  t.deepEqual(await look(), {});
  await write("master-key.hsm.next", wrapped);
  t.deepEqual(await look(), { left_over: `${path}.next` });
  token("gone");
  t.deepEqual(await look(), {
    fails: "there is no such token (token=t)",
    left_over: `${path}.next`,
  });
  await diskFiles.remove(`${path}.next`);
  const watching = next.start();
  t.teardown(() => watching.cancel());
  await next.look();
  token("there");
  t.truthy(next.status.fails, "it is not asked all the time");
  const before = asked();
  await clock.advance(30_000);
  await eventually("what was mended", () => next.status.fails === undefined);
  await clock.advance(299_999);
  t.is(asked() - before, 1, "what is good is looked at every five minutes");
  await clock.advance(1);
  await next.look();
  t.is(asked() - before, 3);
});
