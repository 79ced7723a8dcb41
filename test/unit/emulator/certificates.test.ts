import { createPrivateKey, X509Certificate } from "node:crypto";
import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "ava";
import { systemClock } from "../../../src/base/clock.ts";
import { createAuthority, writeAuthority, writeIdentity } from "../../emulator/certificates.ts";

const serverAuth = "1.3.6.1.5.5.7.3.1";
const clientAuth = "1.3.6.1.5.5.7.3.2";

test("a certificate is its authority's, names what was asked for, and goes with its key", async (t) => {
  const authority = await createAuthority("Test authority, one");
  const issued = await authority.issue({
    commonName: "km-a",
    dns: ["km.example", "localhost"],
    ip: ["127.0.0.1", "::1"],
    usage: "server",
  });
  const [ca, leaf] = [new X509Certificate(authority.cert), new X509Certificate(issued.cert)];
  t.true(leaf.verify(ca.publicKey));
  t.true(leaf.checkIssued(ca));
  t.true(leaf.checkPrivateKey(createPrivateKey(issued.key)));
  t.true(ca.ca);
  t.false(leaf.ca);
  t.is(leaf.subject, "CN=km-a");
  t.is(leaf.checkHost("km.example"), "km.example");
  t.is(leaf.checkHost("km-b.example"), undefined);
  t.is(leaf.checkIP("127.0.0.1"), "127.0.0.1");
  t.is(leaf.checkIP("::1"), "::1");
  t.is(leaf.publicKey.asymmetricKeyDetails?.namedCurve, "prime256v1");
});

test("a certificate is for the usage that was asked for", async (t) => {
  const authority = await createAuthority("Test authority");
  for (const [usage, expected] of [
    ["server", [serverAuth]],
    ["client", [clientAuth]],
    ["both", [serverAuth, clientAuth]],
  ] as const) {
    const { cert } = await authority.issue({ commonName: "x", usage });
    t.deepEqual(new X509Certificate(cert).keyUsage, [...expected]);
  }
});

test("a certificate can be made that has expired", async (t) => {
  const now = Date.UTC(2026, 5, 15);
  const authority = await createAuthority("Test authority", { ...systemClock, wall: () => now });
  const dates = async (days?: number) => {
    const request = { commonName: "x", usage: "client" } as const;
    const issued = await authority.issue(days === undefined ? request : { ...request, days });
    const { validFromDate, validToDate } = new X509Certificate(issued.cert);
    return [validFromDate, validToDate].map((date) => date.toISOString().slice(0, 10));
  };
  t.deepEqual(await dates(), ["2026-06-14", "2026-06-16"]);
  t.deepEqual(await dates(-10), ["2026-06-04", "2026-06-05"]);
});

test("only its owner can read a private key's file, also when the file was there before", async (t) => {
  const directory = await mkdtemp(join(tmpdir(), "certificates-"));
  t.teardown(() => rm(directory, { recursive: true }));
  const authority = await createAuthority("Test authority");
  const identity = await authority.issue({ commonName: "x", usage: "both" });
  await writeFile(join(directory, "x.key"), "", { mode: 0o644 });
  const files = await writeIdentity(directory, "x", identity);
  t.is((await stat(files.key)).mode & 0o777, 0o600);
  t.is(await readFile(files.key, "utf8"), identity.key);
  t.is(await readFile(files.cert, "utf8"), identity.cert);
  t.is(await readFile(await writeAuthority(directory, "ca", authority), "utf8"), authority.cert);
});
