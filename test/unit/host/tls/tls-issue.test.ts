/** Certificates and lists that the product makes, judged by OpenSSL's program and by Node.js. */
import { execFileSync } from "node:child_process";
import { createPrivateKey, generateKeyPairSync, X509Certificate } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { isSignedBy, parseCrls, serialOf } from "../../../../src/host/tls/crl.ts";
import {
  isCertifiable,
  issueCertificate,
  issueList,
  issuerProblem,
} from "../../../../src/host/tls/issue.ts";
import { certifiedNames } from "../../../../src/host/tls/names.ts";
import { parseRequest, RequestError } from "../../../../src/host/tls/request.ts";
import { createAuthority } from "../../../emulator/certificates.ts";
import { testWith } from "../../../needs.ts";
import { random as seeded } from "../../../random.ts";

const day = 86_400_000;
const names = ["app-a", "10.0.0.7", "2001:db8::7", "::ffff:1.2.3.4", "urn:qkd:sae:app-a"];

function folder(t: ExecutionContext) {
  const made = mkdtempSync(join(tmpdir(), "qkd-issue-"));
  t.teardown(() => rmSync(made, { recursive: true }));
  const put = (name: string, text: string) => {
    writeFileSync(join(made, name), text);
    return join(made, name);
  };
  const openssl = (...args: string[]) =>
    execFileSync("openssl", args, { cwd: made, encoding: "utf8", stdio: "pipe" });
  return { put, openssl, read: (name: string) => readFileSync(join(made, name), "utf8") };
}

const kinds = {
  "P-256": ["EC", "ec_paramgen_curve:P-256"],
  "P-384": ["EC", "ec_paramgen_curve:P-384"],
  RSA: ["RSA", "rsa_keygen_bits:2048"],
  Ed25519: ["ED25519"],
} as const;

for (const [kind, [algorithm, option]] of Object.entries(kinds)) {
  testWith("openssl", `what an authority of ${kind} makes is good to OpenSSL`, (t) => {
    const { put, openssl, read } = folder(t);
    const options = option === undefined ? [] : ["-pkeyopt", option];
    openssl("genpkey", "-algorithm", algorithm, ...options, "-out", "ca.key");
    openssl(
      "req",
      "-x509",
      "-key",
      "ca.key",
      "-subj",
      "/O=QKD/CN=CA",
      "-addext",
      "keyUsage=critical,keyCertSign,cRLSign",
      "-days",
      "9",
      "-out",
      "ca.crt",
    );
    openssl(
      "req",
      "-new",
      "-newkey",
      "ec",
      "-pkeyopt",
      "ec_paramgen_curve:P-256",
      "-nodes",
      "-subj",
      "/CN=app-a",
      "-keyout",
      "a.key",
      "-out",
      "a.csr",
    );
    const issuer = {
      certificate: new X509Certificate(read("ca.crt")),
      key: createPrivateKey(read("ca.key")),
    };
    t.is(issuerProblem(issuer), undefined);
    const asked = parseRequest(read("a.csr"));
    t.is(asked.commonName, "app-a");
    const now = Date.now();
    const serial = Buffer.from("00ff12", "hex");
    const cert = issueCertificate(issuer, {
      ...asked,
      commonName: "app-a",
      names,
      usage: "client",
      serial,
      from: now - day,
      to: now + day,
    });
    put("a.crt", cert);
    const list = (revoked: string[]) =>
      issueList(issuer, {
        number: 300,
        revoked: revoked.map((one) => ({ serial: one, at: now, reason: "key_compromise" })),
        from: now - day,
        to: now + day,
      });
    put("none.crl", list([]));
    put("one.crl", list(["ff12", "1"]));
    const verify = (crl: string) => [
      "verify",
      "-x509_strict",
      "-crl_check",
      "-CAfile",
      "ca.crt",
      "-CRLfile",
      crl,
      "-purpose",
      "sslclient",
      "a.crt",
    ];
    t.regex(openssl(...verify("none.crl")), /OK/);
    const refused = t.throws(() => openssl(...verify("one.crl"))) as unknown as { stderr: string };
    t.regex(refused.stderr, /certificate revoked/);
    t.regex(openssl("crl", "-in", "one.crl", "-noout", "-text"), /Key Compromise/);
    t.regex(openssl("crl", "-in", "one.crl", "-noout", "-crlnumber"), /0?12C/i);
    const made = new X509Certificate(cert);
    t.is(serialOf(made), "ff12");
    t.false(made.ca);
    t.deepEqual(made.keyUsage, ["1.3.6.1.5.5.7.3.2"]);
    const [own] = parseCrls(list(["ff12"]));
    t.true(own && isSignedBy(own, issuer.certificate) && own.revoked.has("ff12"));
    t.deepEqual(
      certifiedNames(
        { ...(made.subjectAltName !== undefined && { subjectaltname: made.subjectAltName }) },
        { uris: true },
      ).map((one) => one.toLowerCase()),
      ["app-a", "10.0.0.7", "2001:db8:0:0:0:0:0:7", "0:0:0:0:0:ffff:102:304", "urn:qkd:sae:app-a"],
    );
  });
}

test("times from 2050 on, and a certificate by an authority without a name for its key", async (t) => {
  const ca = await createAuthority("CA");
  const issuer = {
    certificate: new X509Certificate(ca.cert),
    key: createPrivateKey(await ca.exportKey()),
  };
  const publicKey = generateKeyPairSync("ed25519").publicKey.export({
    format: "der",
    type: "spki",
  });
  const to = Date.UTC(2051, 0, 2, 3, 4, 5);
  const issue = {
    publicKey,
    commonName: "km",
    names: ["km"],
    usage: "both",
    serial: Buffer.from([0]),
    from: 0,
    to,
  } as const;
  const made = new X509Certificate(issueCertificate(issuer, issue));
  t.is(made.validToDate.getTime(), to);
  t.is(made.validFromDate.getTime(), 0);
  t.true(made.verify(issuer.certificate.publicKey));
  t.throws(() => issueCertificate(issuer, { ...issue, names: ["two words"] }));
});

test("what can be a name of a certificate", (t) => {
  for (const one of [...names, "a", "A_b-1.example", "spiffe://x/y"])
    t.true(isCertifiable(one), one);
  for (const one of [
    "",
    "a b",
    "a,b",
    'urn:"',
    "-",
    "urn:a,DNS:b",
    "ü",
    `${"a".repeat(64)}.b`,
    "mailto:x",
  ]) {
    t.false(isCertifiable(one), one);
  }
});

testWith(
  "openssl",
  "a request that is none is refused in words, whatever it is damaged into",
  (t) => {
    const { openssl } = folder(t);
    const make = (...key: string[]) =>
      openssl(
        "req",
        "-new",
        "-newkey",
        ...key,
        "-nodes",
        "-subj",
        "/O=x/CN=app",
        "-keyout",
        "/dev/null",
      );
    const good = make("ec", "-pkeyopt", "ec_paramgen_curve:P-256");
    const why = (text: string) =>
      t.throws(() => parseRequest(text), { instanceOf: RequestError })?.message ?? "";
    t.regex(why(""), /holds no certificate request/);
    t.regex(why(good + good), /more than one/);
    t.regex(why("x".repeat(20_000)), /longer/);
    t.regex(why(make("rsa:1024")), /key that is not accepted/);
    t.regex(why(make("ec", "-pkeyopt", "ec_paramgen_curve:secp256k1")), /key that is not accepted/);
    const bytes = Buffer.from(good.replace(/-----[^-]+-----/g, ""), "base64");
    const text = (value: Buffer) =>
      `-----BEGIN CERTIFICATE REQUEST-----\n${value.toString("base64")}\n-----END CERTIFICATE REQUEST-----\n`;
    t.is(parseRequest(text(bytes)).commonName, "app");
    const random = seeded(7);
    for (let i = 0; i < bytes.length; i++) {
      const damaged = Buffer.from(bytes);
      damaged[i] = (damaged[i] ?? 0) ^ (1 + Math.floor(random() * 255));
      // Every byte is signed, or is the signature.
      why(text(damaged));
      why(text(bytes.subarray(0, i)));
    }
  },
);
