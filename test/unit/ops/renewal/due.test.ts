import { execFileSync } from "node:child_process";
import {
  createPrivateKey,
  generateKeyPairSync,
  type KeyObject,
  X509Certificate,
} from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { systemClock } from "../../../../src/base/clock.ts";
import { Fault } from "../../../../src/base/errors.ts";
import { certificatesOf } from "../../../../src/host/est/answer.ts";
import { requestLike } from "../../../../src/host/est/request.ts";
import { issueCertificate } from "../../../../src/host/tls/issue.ts";
import { checkEst, renewable } from "../../../../src/ops/renewal/config.ts";
import { dueAt, successor } from "../../../../src/ops/renewal/due.ts";
import { settleFirst, withoutFirst } from "../../../../src/ops/renewal/first.ts";
import { type Authority, createAuthority } from "../../../emulator/certificates.ts";
import { testWith } from "../../../needs.ts";

const day = 86_400_000;
/** The same key's next certificate, good from yesterday for so many days from now. */
async function renewedBy(
  ca: Authority,
  cert: string,
  days: number,
  names = ["km-a"],
  usage: "both" | "client" = "both",
) {
  const now = Date.now();
  return issueCertificate(
    { certificate: new X509Certificate(ca.cert), key: createPrivateKey(await ca.exportKey()) },
    {
      publicKey: new X509Certificate(cert).publicKey.export({ format: "der", type: "spki" }),
      commonName: "km-a",
      names,
      usage,
      serial: Buffer.of(1, days),
      from: now - day,
      to: now + days * day,
    },
  );
}

const named = { commonName: "km-a", dns: ["km-a"], usage: "both" } as const;

function temporary(t: ExecutionContext): string {
  const folder = mkdtempSync(join(tmpdir(), "qkd-due-"));
  t.teardown(() => rmSync(folder, { recursive: true }));
  return folder;
}

test("a certificate is due at two thirds of its life, a fleet's at different times", async (t) => {
  const ca = await createAuthority("Root");
  const many = await Promise.all(
    Array.from({ length: 24 }, () => ca.issue({ ...named, days: 30 })),
  );
  const parts = many.map(({ cert }) => {
    const one = new X509Certificate(cert);
    const from = one.validFromDate.getTime();
    return (dueAt(one, 2 / 3) - from) / (one.validToDate.getTime() - from);
  });
  t.true(parts.every((part) => part > 0.63 && part < 0.701));
  t.true(Math.max(...parts) - Math.min(...parts) > 0.01);
});

test("what comes must be of the same key and names, later, valid now, and of a known CA", async (t) => {
  const root = await createAuthority("Root");
  const issuing = await root.subordinate("Issuing");
  const own = await root.issue({ ...named, days: 10 });
  const before = new X509Certificate(own.cert);
  const after = async (days: number, names = ["km-a"]) =>
    new X509Certificate(await renewedBy(issuing, own.cert, days, names));
  const cas = [new X509Certificate(root.cert), new X509Certificate(issuing.cert)];
  const now = Date.now();
  const good = successor(before, [await after(30)], cas, now);
  // The issuing CA is shown along, the root is not.
  t.deepEqual(
    good.map(({ subject }) => subject),
    ["CN=km-a", "CN=Issuing"],
  );
  const refused = async (pattern: RegExp, answer: X509Certificate[], others = cas, wall = now) =>
    t.throws(() => successor(before, answer, others, wall), {
      instanceOf: Fault,
      message: pattern,
    });
  const other = new X509Certificate((await root.issue({ ...named, days: 30 })).cert);
  await refused(/another key/, [other]);
  await refused(/has no certificate/, []);
  await refused(/other names/, [await after(30, ["km-b"])]);
  await refused(/no later/, [await after(5)]);
  await refused(/not valid now/, [await after(30)], cas, now + 40 * day);
  await refused(/not valid now/, [await after(30)], cas, now - 40 * day);
  await refused(/CA that is not known/, [await after(30)], []);
});

test("a CA that is over, or a certificate for fewer uses, would break every connection", async (t) => {
  const long = { ...systemClock, wall: () => Date.now() - 350 * day };
  const root = await createAuthority("Root", long);
  const issuing = await root.subordinate("Issuing");
  const own = await root.issue({ ...named, days: 60, dns: ["km-a", "km-b"] });
  const before = new X509Certificate(own.cert);
  const cas = [new X509Certificate(root.cert), new X509Certificate(issuing.cert)];
  const refused = async (pattern: RegExp, ca: Authority, usage: "both" | "client") => {
    const came = new X509Certificate(await renewedBy(ca, own.cert, 30, ["km-a", "km-b"], usage));
    t.throws(() => successor(before, [came], cas, Date.now()), {
      instanceOf: Fault,
      message: pattern,
    });
  };
  await refused(/of a CA that is not valid now/, issuing, "both");
  await refused(/for other uses/, root, "client");
  // The same names in another order are the same names.
  const came = new X509Certificate(await renewedBy(root, own.cert, 30, ["km-b", "km-a"]));
  t.is(successor(before, [came], cas, Date.now()).length, 1);
});

test("uses that no connection here needs may be left out", async (t) => {
  const root = await createAuthority("Root");
  const own = await root.issue({ ...named, days: 10 });
  const came = new X509Certificate(await renewedBy(root, own.cert, 30));
  const mail = "1.3.6.1.5.5.7.3.4";
  for (const uses of [["2.5.29.37.0"], [mail, ...(came.keyUsage ?? [])]]) {
    const before = new X509Certificate(own.cert);
    Object.defineProperty(before, "keyUsage", { value: uses });
    t.is(successor(before, [came], [new X509Certificate(root.cert)], Date.now()).length, 1);
  }
});

testWith(
  "openssl",
  "OpenSSL reads a request of each kind of key, with its names",
  async (t, openssl) => {
    const folder = temporary(t);
    const kinds: readonly (readonly [string, () => { privateKey: KeyObject }])[] = [
      ["rsa", () => generateKeyPairSync("rsa", { modulusLength: 2048 })],
      ["p256", () => generateKeyPairSync("ec", { namedCurve: "P-256" })],
      ["p384", () => generateKeyPairSync("ec", { namedCurve: "P-384" })],
      ["p521", () => generateKeyPairSync("ec", { namedCurve: "P-521" })],
      ["ed25519", () => generateKeyPairSync("ed25519")],
      ["ed448", () => generateKeyPairSync("ed448")],
    ];
    for (const [kind, make] of kinds) {
      const { privateKey } = make();
      const [key, cert] = [join(folder, `${kind}.key`), join(folder, `${kind}.crt`)];
      writeFileSync(key, privateKey.export({ format: "pem", type: "pkcs8" }), { mode: 0o600 });
      const names = ["-subj", "/O=Site/CN=km-a", "-addext", "subjectAltName=DNS:km-a,IP:192.0.2.1"];
      execFileSync(openssl, ["req", "-x509", "-new", "-key", key, ...names, "-out", cert]);
      const input = requestLike(new X509Certificate(readFileSync(cert)), privateKey);
      const shown = execFileSync(openssl, ["req", "-inform", "DER", "-verify", "-noout", "-text"], {
        input,
        encoding: "utf8",
        stdio: ["pipe", "pipe", "pipe"],
      });
      t.regex(shown, /Subject: O = Site, CN = km-a/, kind);
      t.regex(shown, /DNS:km-a, IP Address:192\.0\.2\.1/, kind);
    }
    const { privateKey } = generateKeyPairSync("rsa-pss", { modulusLength: 2048 });
    const some = new X509Certificate(readFileSync(join(folder, "rsa.crt")));
    t.throws(() => requestLike(some, privateKey), { instanceOf: Fault, message: /of this kind/ });
  },
);

test("an answer that is damaged is a fault, whatever is wrong with it", (t) => {
  const fault = { instanceOf: Fault };
  for (const text of ["", "!", "MAA=", "MIAAAA==", "MIAwgDCAMIAwgDCAMIAwgDCAMIAwgDCAMIA="]) {
    t.throws(() => certificatesOf(text), fault, text);
  }
  // Whatever bytes come: certificates or a fault, never anything else.
  let seed = 7;
  const next = () => {
    seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31;
    return seed >> 16;
  };
  for (let i = 0; i < 2_000; i++) {
    const bytes = Buffer.from(Array.from({ length: 2 + (next() % 40) }, () => next() & 0xff));
    bytes[0] = 0x30;
    if (i % 2 === 0) bytes[1] = 0x80;
    t.throws(() => certificatesOf(bytes.toString("base64")), fault);
  }
});

test("those below the state folder are renewed, each once; without one the table is wrong", (t) => {
  const sets = [
    { for: "kq1", cert: "/var/lib/km/tls/km.crt", key: "/k", ca: "/ca" },
    { for: "kx", cert: "/var/lib/km/tls/km.crt", key: "/k", ca: "/ca" },
    { for: "manager", cert: "/etc/qkd-km/m.crt", key: "/k", ca: "/ca" },
    { for: "web", cert: undefined, key: undefined, ca: undefined },
  ];
  t.deepEqual(
    renewable("/var/lib/km/", sets).map((one) => one.for),
    ["kq1"],
  );
  const said: string[] = [];
  const est = { url: "https://ra.example/.well-known/est", ca: "/ca", at: 2 / 3, username: "a" };
  checkEst(est, "/var/lib/other", sets, (key, what) => said.push(`${key}: ${what}`));
  t.deepEqual(said, [
    "est: username and password_file go together",
    "est: no certificate is renewed: those are, whose cert is below /var/lib/other",
  ]);
});

test("a certificate that a person brought is copied: the first, one of another key, one that lasts longer", async (t) => {
  const folder = temporary(t);
  const [first, stateDir] = [join(folder, "first"), join(folder, "state")];
  const ca = await createAuthority("Root");
  mkdirSync(first);
  const cert = join(stateDir, "tls/km.crt");
  const tables = {
    est: { url: "https://ra.example/.well-known/est", ca: "/ca", at: 2 / 3, first },
    stateDir,
    sets: [{ for: "kx", cert, key: "/k", ca: undefined }],
  };
  const missing = [{ key: "kx.cert", what: "is missing" }];
  settleFirst(tables, Date.now());
  t.deepEqual(withoutFirst(missing, tables), missing);

  const [short, long, other] = await Promise.all([
    ca.issue({ ...named, days: 10 }),
    ca.issue({ ...named, days: 20 }),
    ca.issue({ ...named, days: 5 }),
  ]);
  const bring = (pem: string) => {
    writeFileSync(join(first, "km.crt"), pem);
    settleFirst(tables, Date.now());
    return readFileSync(cert, "utf8");
  };
  writeFileSync(join(first, "km.crt"), short.cert);
  t.deepEqual(withoutFirst(missing, tables), [], "the first start copies it");
  t.is(bring(short.cert), short.cert);
  t.deepEqual(withoutFirst(missing, tables), missing);
  t.is(bring(long.cert), long.cert, "of another key");
  t.is(bring(other.cert), other.cert, "of another key, though it ends sooner");
  const renewed = await renewedBy(ca, other.cert, 15);
  writeFileSync(cert, renewed);
  t.is(bring(other.cert), renewed, "one that was renewed stays");
  t.is(bring("damaged"), renewed);
});
