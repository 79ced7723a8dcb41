import { execFileSync } from "node:child_process";
import { generateKeyPairSync, X509Certificate } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "ava";
import {
  CrlError,
  isSignedBy,
  parseCrl,
  parseCrls,
  serialOf,
} from "../../../../src/host/tls/crl.ts";
import { DerError, DerReader, integerText, oidText, timeOf } from "../../../../src/host/tls/der.ts";
import { createAuthority } from "../../../emulator/certificates.ts";
import { testWith } from "../../../needs.ts";
import { random as seeded } from "../../../random.ts";

const day = 86_400_000;
const bytes = (hex: string) => Buffer.from(hex, "hex");
const der = (pem: string) => Buffer.from(pem.replace(/-----[^-]+-----/g, ""), "base64");

test("a revocation list says whose it is, from when until when, and what it takes back", async (t) => {
  const ca = await createAuthority("Example CA, one");
  const [a, b] = await Promise.all([
    ca.issue({ commonName: "a", usage: "client" }),
    ca.issue({ commonName: "b", usage: "client" }),
  ]);
  const [list] = parseCrls(await ca.revoke([a.cert], { days: 7 }));
  t.regex(list?.issuer ?? "", /^CN=Example CA/);
  t.true(Math.abs((list?.nextUpdate ?? 0) - Date.now() - 7 * day) < 60_000);
  t.true(Math.abs((list?.thisUpdate ?? 0) - Date.now() + day) < 60_000);
  t.true(list?.revoked.has(serialOf(new X509Certificate(a.cert))));
  t.false(list?.revoked.has(serialOf(new X509Certificate(b.cert))));
  t.is(list?.revoked.size, 1);
});

test("every list of a file is read, and what is between them is not", async (t) => {
  const [one, two] = await Promise.all([createAuthority("one"), createAuthority("two")]);
  const text = `# of Monday\n${await one.revoke([])}\ntext\n${await two.revoke([])}`;
  t.deepEqual(
    parseCrls(text).map(({ issuer }) => issuer),
    ["CN=one", "CN=two"],
  );
});

test("a list is its CA's if name and signature are, and not by one of them alone", async (t) => {
  const [ca, namesake, other] = await Promise.all([
    createAuthority("CA"),
    createAuthority("CA"),
    createAuthority("other"),
  ]);
  const [list] = parseCrls(await ca.revoke([]));
  const [forged] = parseCrls(await ca.revoke([], { forged: true }));
  if (list === undefined || forged === undefined) return t.fail();
  t.true(isSignedBy(list, new X509Certificate(ca.cert)));
  t.false(isSignedBy(list, new X509Certificate(namesake.cert)));
  t.false(isSignedBy(list, new X509Certificate(other.cert)));
  t.false(isSignedBy(forged, new X509Certificate(ca.cert)));
});

test("a file that is no list in PEM is told in words", async (t) => {
  const ca = await createAuthority("CA");
  const list = await ca.revoke([]);
  const why = (text: string) =>
    t.throws(() => parseCrls(text), { instanceOf: CrlError })?.message ?? "";
  t.regex(why(der(list).toString("utf8")), /DER/);
  t.regex(why(""), /holds no revocation list/);
  t.regex(why(ca.cert), /holds no revocation list/);
  t.regex(why(list + ca.cert), /something else/);
  t.regex(why(list.replace("-----END X509 CRL-----", "")), /holds no revocation list/);
  const short = der(list).subarray(0, -9).toString("base64");
  t.regex(
    why(`${list}-----BEGIN X509 CRL-----\n${short}\n-----END X509 CRL-----\n`),
    /list 2: is damaged/,
  );
});

test("whatever a list is damaged into, it is refused or is still a list", async (t) => {
  const ca = await createAuthority("CA");
  const identity = await ca.issue({ commonName: "a", usage: "client" });
  const good = der(await ca.revoke([identity.cert]));
  const next = seeded(1);
  const below = (most: number) => Math.floor(next() * most);
  let read = 0;
  for (let i = 0; i < 20_000; i++) {
    const damaged = Buffer.from(good);
    const times = 1 + below(4);
    for (let j = 0; j < times; j++) damaged[below(damaged.length)] = below(256);
    const cut = below(8) === 0 ? below(damaged.length) : damaged.length;
    try {
      const list = parseCrl(damaged.subarray(0, cut));
      read++;
      if (!damaged.equals(good)) t.false(isSignedBy(list, new X509Certificate(ca.cert)));
    } catch (error) {
      if (error instanceof DerError || error instanceof CrlError) continue;
      throw error;
    }
  }
  t.true(read > 100, "some damage is in the signature or in a serial number");
});

test("the reader takes DER and no other encoding of the same", (t) => {
  const read = (hex: string) => new DerReader(bytes(hex)).next();
  t.is(read("0401aa").value.length, 1);
  t.is(read(`048180${"00".repeat(128)}`).value.length, 128);
  for (const wrong of ["", "04", "0401", "048101aa", "0480aa0000", "04820001aa", "1f8101aa"]) {
    t.throws(() => read(wrong), { instanceOf: DerError }, wrong);
  }
  t.throws(() => new DerReader(bytes("0401aa")).next(0x30), { instanceOf: DerError });
  t.is(oidText(bytes("551d1c")), "2.5.29.28");
  t.is(oidText(bytes("608648016503040311")), "2.16.840.1.101.3.4.3.17");
  t.throws(() => oidText(bytes("5586")), { instanceOf: DerError });
  t.is(integerText(bytes("00ff")), "ff");
  t.is(integerText(bytes("ff")), "-1");
  t.is(integerText(bytes("00")), "0");
  const time = (tag: number, text: string) =>
    timeOf(new DerReader(Buffer.from([tag, text.length, ...Buffer.from(text)])).next());
  t.is(time(0x17, "260131120000Z"), Date.parse("2026-01-31T12:00:00Z"));
  t.is(time(0x17, "500131120000Z"), Date.parse("1950-01-31T12:00:00Z"));
  t.is(time(0x18, "20510131120000Z"), Date.parse("2051-01-31T12:00:00Z"));
  for (const wrong of ["260131120000", "2601311200Z", "261331120000Z", "260131120000+0100"]) {
    t.throws(() => time(0x17, wrong), { instanceOf: DerError }, wrong);
  }
});

const keys = [
  ["rsa", "rsa", { modulusLength: 2_048 }, []],
  ["rsa-pss", "rsa-pss", { modulusLength: 2_048 }, ["-sigopt", "rsa_padding_mode:pss"]],
  ["p-384", "ec", { namedCurve: "P-384" }, []],
  ["ed25519", "ed25519", {}, []],
] as const;
for (const [name, kind, options, sign] of keys) {
  testWith("openssl", `OpenSSL's lists are read and verified: ${name}`, async (t) => {
    const folder = mkdtempSync(join(tmpdir(), "qkd-crl-"));
    t.teardown(() => rmSync(folder, { recursive: true }));
    const openssl = (...args: string[]) =>
      execFileSync("openssl", args, { cwd: folder, stdio: "pipe" });
    const generate = generateKeyPairSync as (
      kind: string,
      options: object,
    ) => {
      privateKey: { export(as: object): string };
    };
    const { privateKey } = generate(kind, options);
    writeFileSync(join(folder, "key"), privateKey.export({ type: "pkcs8", format: "pem" }));
    const config = `[ca]\ndefault_ca=d\n[d]\ndatabase=index\ndefault_crl_days=9\ncrlnumber=number
default_md=sha256\n[req]\ndistinguished_name=n\n[n]\n[v]\nbasicConstraints=critical,CA:TRUE\n`;
    writeFileSync(join(folder, "cnf"), config);
    writeFileSync(join(folder, "index"), "R\t300101000000Z\t260101000000Z\t0A0B\tunknown\t/CN=x\n");
    writeFileSync(join(folder, "number"), "1000");
    const ca = ["-config", "cnf", "-key", "key", "-out", "crt", "-subj", "/O=Example/CN=CA"];
    openssl("req", "-x509", "-new", ...ca, "-days", "30", "-extensions", "v", ...sign);
    const make = ["-gencrl", "-config", "cnf", "-keyfile", "key", "-cert", "crt", "-out", "crl"];
    openssl("ca", ...make, ...sign);
    const [list] = parseCrls(readFileSync(join(folder, "crl"), "utf8"));
    if (list === undefined) return t.fail();
    t.is(list.issuer, "O=Example, CN=CA");
    t.deepEqual([...list.revoked], ["a0b"]);
    t.true(isSignedBy(list, new X509Certificate(readFileSync(join(folder, "crt")))));
  });
}
