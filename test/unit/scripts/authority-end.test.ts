/** An authority that ends: what `scripts/site` and `scripts/certificates` sign by it, and say of it. */
import { spawnSync } from "node:child_process";
import { X509Certificate } from "node:crypto";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import test, { type ExecutionContext } from "ava";
import { systemClock } from "../../../src/base/clock.ts";
import { createAuthority, createRequest } from "../../emulator/certificates.ts";

const root = fileURLToPath(new URL("../../../", import.meta.url));
const day = 86_400_000;

function run(program: string, ...args: readonly string[]) {
  return spawnSync(process.execPath, [join(root, program), ...args], { encoding: "utf8" });
}

/** A folder with one that was made for 100 days, so many ago. */
async function folderOf(t: ExecutionContext, ago: number): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), "qkd-ca-end-"));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const then = { ...systemClock, wall: () => Date.now() - ago * day };
  const ca = await createAuthority("Root", then, 100);
  writeFileSync(join(folder, "ca.crt"), ca.cert);
  writeFileSync(join(folder, "ca.key"), await ca.exportKey(), { mode: 0o600 });
  const { request } = await createRequest("app-a");
  writeFileSync(join(folder, "app-a.csr"), request);
  return folder;
}

const read = (...path: string[]) => new X509Certificate(readFileSync(join(...path)));

test("nothing is signed by an authority that has ended, and which one that is is told", async (t) => {
  const folder = await folderOf(t, 110);
  const site = run("scripts/site.d/main.ts", "certify", join(folder, "app-a.csr"), "--ca", folder);
  t.is(site.status, 1);
  t.regex(site.stderr, /ca\.crt ended on \d{4}-\d\d-\d\d/);
  t.false(existsSync(join(folder, "app-a.crt")));
  const bench = run("scripts/certificates.d/main.ts", folder);
  t.is(bench.status, 73);
  t.regex(bench.stderr, /ca\.crt ended on \d{4}-\d\d-\d\d/);
  t.false(existsSync(join(folder, "km.crt")));
});

test("a certificate ends no later than its authority, and it is told when", async (t) => {
  const folder = await folderOf(t, 80);
  const end = read(folder, "ca.crt").validToDate;
  const date = end.toISOString().slice(0, 10);
  const site = run("scripts/site.d/main.ts", "certify", join(folder, "app-a.csr"), "--ca", folder);
  t.is(site.status, 0, site.stderr);
  t.regex(site.stdout, new RegExp(`until ${date}, when the authority ends, and not for 365 days`));
  const bench = run("scripts/certificates.d/main.ts", folder);
  t.is(bench.status, 0, bench.stderr);
  t.regex(bench.stderr, /good for 19 days and not 90: the CA in .* ends then/);
  const { validToDate } = read(folder, "km.crt");
  t.true(validToDate <= end);
  t.true(bench.stdout.includes(`until ${validToDate.toISOString().slice(0, 10)}`));
  // What is kept is as it was made.
  const again = run("scripts/certificates.d/main.ts", folder);
  t.is(again.stderr, "");
  t.true(again.stdout.includes(`until ${validToDate.toISOString().slice(0, 10)}`));
});
