import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "ava";
import { listsValidity } from "../../../../src/host/tls/validity.ts";
import { NodeRules } from "../../../../src/node/alarms/node-rules.ts";
import type { MachineRules } from "../../../../src/ops/alarms/machine-alarms.ts";
import { createAuthority } from "../../../emulator/certificates.ts";
import { AlarmBench } from "../../../rig/alarm-bench.ts";

test("a KM that is not told how modules are is an alarm after a minute, and not while nothing is known", (t) => {
  const bench = new AlarmBench();
  const node = new NodeRules({ certificateDays: 30, storageFree: 0.1 }, bench.book);
  const told = (why: string | undefined, seconds: number) => {
    bench.run(seconds, (moment) => node.untold("km.main", why, moment));
    return bench.take().map((line) => line.replace(/^\d+ /, ""));
  };
  t.deepEqual(told(undefined, 120), []);
  t.deepEqual(told("a: unauthorized", 59), []);
  t.deepEqual(told("a: unauthorized", 3), ["km_untold.km.main raised minor"]);
  t.is(bench.book.record("km_untold.km.main")?.detail, "a: unauthorized");
  t.deepEqual(told(undefined, 120), [], "what was told holds");
  t.deepEqual(told("", 32), ["km_untold.km.main cleared cleared over"]);
});

test("revocation lists: told before they run out, more so afterwards, and most if they are of no use", (t) => {
  const bench = new AlarmBench();
  const node = new NodeRules({ certificateDays: 30, storageFree: 0.1, crlLeft: 0.25 }, bench.book);
  const day = 86_400_000;
  const lists = (days: number, missing: string[] = []) => {
    const problem = days < 0 ? "has run out" : undefined;
    const nextUpdate = bench.moment.wall + days * day;
    const left = Math.max(0, days / 8);
    return {
      lists: [{ issuer: "CN=CA", left, nextUpdate, problem }],
      missing,
      unusable: undefined,
    };
  };
  const see = (found: Parameters<MachineRules["lists"]>[1], fresh = false) => {
    node.machine.lists("server", found, fresh, bench.moment);
    bench.run(31);
    return bench.take().map((line) => line.replace(/^\d+ /, ""));
  };
  t.deepEqual(see(lists(3)), []);
  t.deepEqual(see(lists(2)), ["crl_expiring.server raised warning"]);
  t.is(bench.book.record("crl_expiring.server")?.value, 48);
  t.deepEqual(see(lists(-1)), [
    "crl_invalid.server raised major",
    "crl_expiring.server cleared cleared over",
  ]);
  t.is(bench.book.record("crl_invalid.server")?.detail, "list of CN=CA has run out");
  t.deepEqual(see(lists(-1), true), ["crl_invalid.server changed critical"]);
  t.deepEqual(see(lists(8)), ["crl_invalid.server cleared cleared over"]);
  t.deepEqual(see(lists(8, ["CN=other"])), ["crl_invalid.server raised major"]);
  const unusable = { lists: [], missing: [], unusable: "is DER, not PEM" };
  t.deepEqual(see(unusable), ["crl_invalid.server changed critical"]);
});

test("a key exchange that is not post-quantum is told where keys travel by it, until it is over", (t) => {
  const bench = new AlarmBench();
  const node = new NodeRules({ certificateDays: 30, storageFree: 0.1 }, bench.book);
  node.keyExchange("km.main", undefined, bench.moment);
  node.keyExchange("server", "X25519", bench.moment);
  t.deepEqual(bench.take(), ["0 classical_link.server raised warning"]);
  t.is(bench.book.record("classical_link.server")?.detail, "X25519");
  node.keyExchange("server", undefined, bench.moment);
  bench.run(31);
  t.deepEqual(bench.take(), ["30 classical_link.server cleared cleared over"]);
});

test("what alarms go by is in the files: how much is left, which CA has none, what is of no use", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "qkd-lists-"));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const [ca, other] = await Promise.all([createAuthority("CA"), createAuthority("other")]);
  const files = { ca: join(folder, "ca"), crl: join(folder, "crl"), crlFresh: false };
  const look = () => listsValidity(files, Date.now());
  writeFileSync(files.ca, ca.cert + other.cert);
  t.is(look().unusable, "ENOENT");
  writeFileSync(files.crl, "half of a li");
  t.regex(look().unusable ?? "", /holds no revocation list/);
  writeFileSync(files.crl, await ca.revoke([], { days: 1 }));
  t.like(look(), { missing: ["CN=other"], unusable: undefined });
  t.true(Math.abs((look().lists[0]?.left ?? 0) - 0.5) < 0.01);
  writeFileSync(files.crl, await ca.revoke([], { days: -1 }));
  t.like(look().lists[0], { left: 0, problem: "has run out" });
});
