/** The doctor looks at the file with the master key while the key manager runs, too: the next start needs it. */
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "ava";
import { systemClock } from "../../../../src/base/clock.ts";
import { ms } from "../../../../src/base/duration.ts";
import type { KmConfig } from "../../../../src/km/config/load.ts";
import { checkMasterKey } from "../../../../src/km/doctor/master-key.ts";
import { openEngine } from "../../../../src/km/io/engine/open.ts";

test("a master key that is gone, or another, is found while the store is open", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "qkd-doctor-key-"));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, "master.key");
  const config = { km: { state_dir: folder }, store: { master_key_file: file } } as KmConfig;
  const put = (digits: string) => writeFileSync(file, digits.repeat(32), { mode: 0o600 });
  const found = (runs = true) => checkMasterKey(config, runs);
  put("11");
  t.like(await found(false), { status: "ok", detail: `${file}; there is no store yet` });
  t.like(await found(), { status: "fail" }, "the store was moved away under the key manager");
  const { store } = await openEngine({
    folder: `${folder}/store`,
    masterKey: Buffer.alloc(32, 0x11),
    limitBytes: 1e9,
    wipeAfter: ms(10_000),
    clock: systemClock,
    onFailure: (error) => t.fail(`${error}`),
  });
  t.like(await found(), { status: "ok", detail: `${file}; it opens the store, which is open` });
  put("22");
  const another = await found();
  t.is(another.status, "fail");
  t.regex(another.detail, /is open, and the next start would fail: .*another master key/);
  chmodSync(file, 0o644);
  t.regex((await found()).detail, /next start would fail: .*can be read by others/);
  rmSync(file);
  t.regex((await found()).detail, /next start would fail: .*cannot be read/);
  await store.close();
});
