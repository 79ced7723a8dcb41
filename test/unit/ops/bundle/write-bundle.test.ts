/** A bundle's file where the disk is full, or has the name already. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "ava";
import { writeBundle } from "../../../../src/ops/support/write-bundle.ts";

test("half a bundle is taken away, so that the next one has its name", (t) => {
  const folder = mkdtempSync(join(tmpdir(), "qkd-bundle-"));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const target = join(folder, "a.tar.gz");
  const writes = `import { writeBundle } from ${JSON.stringify(new URL("../../../../src/ops/support/write-bundle.ts", import.meta.url).href)};
try { writeBundle(${JSON.stringify(target)}, Buffer.alloc(100_000)); } catch (error) { console.log(error.message, error.code); }`;
  // The shell's limit of a file's length stands for a full disk.
  const line = ["-c", 'ulimit -f 1; exec "$@"', "sh", process.execPath];
  const { stdout } = spawnSync("sh", [...line, "--input-type=module-typescript", "-e", writes], {
    encoding: "utf8",
  });
  t.regex(stdout, /a\.tar\.gz: cannot be made: EFBIG/);
  t.deepEqual(readdirSync(folder), []);
  writeBundle(target, Buffer.from("whole"));
  t.is(statSync(target).mode & 0o777, 0o600);
  t.throws(() => writeBundle(target, Buffer.from("another")), {
    message: `${target}: cannot be made: it is there already`,
  });
  t.is(readFileSync(target, "utf8"), "whole");
  const nowhere = join(folder, "no/such");
  t.throws(() => writeBundle(nowhere, Buffer.from("one")), {
    message: `${nowhere}: cannot be made: its folder is not there`,
  });
  const below = join(target, "b.tar.gz");
  t.throws(() => writeBundle(below, Buffer.from("one")), {
    message: `${below}: cannot be made: it is below a file`,
  });
});
