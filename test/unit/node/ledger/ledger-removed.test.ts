import { existsSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "ava";
import { silentLog } from "../../../../src/base/log.ts";
import { diskFiles } from "../../../../src/host/disk/files.ts";
import { LedgerFile } from "../../../../src/node/ledger/ledger-file.ts";
import { eventually } from "../../../eventually.ts";

const withheld = (number: number) =>
  ({ kind: "withheld", ref: { epoch: "00112233aabbccdd", number } }) as const;
const numbers = (ledger: LedgerFile) => [...ledger.blocks()].map((block) => block.ref.number);

function durable(ledger: LedgerFile): Promise<void> {
  return new Promise((resolve) => ledger.whenDurable(resolve));
}

/** A ledger with one block, and its folder. */
async function begun(t: { teardown(act: () => void): void }) {
  const folder = mkdtempSync(join(tmpdir(), "qkd-ledger-"));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const inside = join(folder, "state");
  await diskFiles.makeFolder(inside);
  const path = join(inside, "ledger");
  const ledger = await LedgerFile.open(diskFiles, path, silentLog);
  ledger.look();
  ledger.append(withheld(1));
  await durable(ledger);
  return { folder: inside, path, ledger };
}

async function found(ledger: LedgerFile): Promise<void> {
  ledger.look();
  await eventually("it is found to be gone", () => ledger.failure);
}

test("a ledger's file that is removed is noticed, and written anew with all that it had", async (t) => {
  const { path, ledger } = await begun(t);
  t.is(ledger.failure, undefined);
  rmSync(path);
  ledger.append(withheld(2));
  await durable(ledger);
  await found(ledger);
  t.like(ledger.failure, { code: "ledger.io", message: "the ledger's file was removed" });
  ledger.append(withheld(3));
  await ledger.recover();
  t.is(ledger.failure, undefined);
  ledger.look();
  ledger.append(withheld(4));
  await durable(ledger);
  t.is(ledger.failure, undefined);
  await ledger.close();
  t.deepEqual(numbers(await LedgerFile.open(diskFiles, path, silentLog)), [1, 2, 3, 4]);
});

test("a folder that is taken away stops the ledger until it is back, and another's file is not written over", async (t) => {
  const { folder, path, ledger } = await begun(t);
  rmSync(folder, { recursive: true });
  await found(ledger);
  await ledger.recover();
  t.regex(String(ledger.failure?.facts.code), /ENOENT/);
  await diskFiles.makeFolder(folder);
  await ledger.recover();
  t.is(ledger.failure, undefined);
  t.true(existsSync(path));

  const other = `${path}.other`;
  writeFileSync(other, "another node's");
  renameSync(other, path);
  await found(ledger);
  for (let i = 0; i < 2; i++) {
    await ledger.recover();
    t.regex(String(ledger.failure?.message), /another file is where the ledger was/);
  }
});
