import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "ava";
import { ApplicationTable } from "../../../../src/km/applications/table.ts";
import { readPsk, SkipClients } from "../../../../src/km/io/skip-clients.ts";

function file(t: { teardown(fn: () => void): void }, text: string, mode = 0o600): string {
  const folder = mkdtempSync(join(tmpdir(), "qkd-psk-"));
  t.teardown(() => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, "psk"), text, { mode });
  chmodSync(join(folder, "psk"), mode);
  return join(folder, "psk");
}

function tableWith(pskFile: string, km = "km"): ApplicationTable {
  const skip = { identity: "router-a", pskFile };
  const rate = { keysPerS: 1, burst: 1 };
  return new ApplicationTable("km", [
    { id: "a", km, names: [], partners: [], rate, skip },
  ] as ConstructorParameters<typeof ApplicationTable>[1]);
}

test("a pre-shared key is 16 to 64 bytes in hexadecimal digits, and for no other user's eyes", (t) => {
  t.is(readPsk(file(t, `${"aB".repeat(16)}\n`)).toString("hex"), "ab".repeat(16));
  t.is(readPsk(file(t, "00".repeat(64))).length, 64);
  for (const text of [
    "",
    "ab".repeat(15),
    "ab".repeat(65),
    "a".repeat(33),
    `${"ab".repeat(16)}g`,
  ]) {
    const error = t.throws(() => readPsk(file(t, text)));
    t.regex(error.message, /is not of 32 to 128 hexadecimal digits/);
  }
  t.throws(() => readPsk(file(t, "ab".repeat(16), 0o604)), { message: /can be read by others/ });
  t.throws(() => readPsk("/none"), { message: /cannot be read/ });
});

test("an identity that is not known has a key, always the same; what is no identity has none", (t) => {
  const clients = new SkipClients("km", () => tableWith(file(t, "ab".repeat(32))));
  t.deepEqual(clients.load(), []);
  t.is(clients.pskOf("router-a")?.toString("hex"), "ab".repeat(32));
  t.is(clients.application("router-a")?.id, "a");
  const unknown = clients.pskOf("router-b");
  t.is(unknown?.length, 32);
  t.deepEqual(clients.pskOf("router-b"), unknown);
  t.notDeepEqual(clients.pskOf("router-c"), unknown);
  t.is(clients.application("router-b"), undefined);
  // What a ticket looks like up to its first zero: the identity comes next.
  for (const beginning of ["", "x", "\u0001\u0002\u0003\u0004", "a b c d", "é".repeat(5)]) {
    t.is(clients.pskOf(beginning), null);
  }
});

test("a key that cannot be read stays; another KM's application has none here", (t) => {
  const path = file(t, "ab".repeat(32));
  let table = tableWith(path);
  const clients = new SkipClients("km", () => table);
  clients.load();
  const before = clients.pskOf("router-a");
  clients.load();
  t.is(clients.pskOf("router-a"), before, "the same memory, so that who is connected stays");
  writeFileSync(path, "half");
  t.is(clients.load().length, 1);
  t.is(clients.pskOf("router-a"), before);
  writeFileSync(path, "cd".repeat(32));
  t.deepEqual(clients.load(), []);
  t.not(clients.pskOf("router-a"), before);
  table = tableWith(path, "another");
  t.is(clients.application("router-a"), undefined, "also before it is looked at");
  clients.load();
  t.false(clients.knows("router-a"));
});
