/** `scripts/certificates` where the disk is full, or where it was broken off. */
import { spawnSync } from "node:child_process";
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import test from "ava";

const tool = fileURLToPath(new URL("../../../scripts/certificates.d/main.ts", import.meta.url));

/** @param limit of the shell, such as one under which no file gets a byte */
function certificates(args: readonly string[], limit = ":") {
  const line = ["-c", `${limit}; exec "$@"`, "sh", process.execPath, tool, ...args];
  const { status, stdout, stderr } = spawnSync("sh", line, { encoding: "utf8" });
  return { code: status, out: stdout, err: stderr };
}

test("a full disk takes no certificate or key away, and leaves none that is none", (t) => {
  const folder = mkdtempSync(join(tmpdir(), "qkd-certificates-"));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const text = (name: string) => readFileSync(join(folder, name), "utf8");
  const full = certificates([folder], "ulimit -f 0");
  t.is(full.code, 73);
  t.regex(full.err, /^certificates: .*ca\.crt: EFBIG/);
  t.deepEqual(readdirSync(folder), []);

  t.is(certificates([folder]).code, 0);
  const [cert, key] = ["km.crt", "km.key"].map(text);
  t.is(certificates([folder, "--renew"], "ulimit -f 0").code, 73);
  t.deepEqual(["km.crt", "km.key"].map(text), [cert, key]);

  // Killed between key and certificate of its authority.
  const ca = join(folder, "ca.crt");
  const was = text("ca.crt");
  renameSync(ca, `${ca}.new`);
  const again = certificates([folder]);
  t.is(again.code, 0, again.err);
  t.is(text("ca.crt"), was);
  t.false(existsSync(`${ca}.new`));
});

test("a pair that is none is not said to be kept, and not overwritten unasked", (t) => {
  const folder = mkdtempSync(join(tmpdir(), "qkd-certificates-"));
  t.teardown(() => rmSync(folder, { recursive: true }));
  t.is(certificates([folder]).code, 0);
  writeFileSync(join(folder, "km.crt"), "");
  const again = certificates([folder]);
  t.is(again.code, 73);
  t.regex(again.err, /km\.crt and .*km\.key do not belong together, or are none: --renew makes/);
  t.is(readFileSync(join(folder, "km.crt"), "utf8"), "");
  t.is(certificates([folder, "--renew"]).code, 0);
  t.is(certificates([folder]).code, 0);
});
