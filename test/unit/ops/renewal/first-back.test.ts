/** A configuration that brought a certificate and is gone back from: the certificate goes back as well. */
import { createPrivateKey, X509Certificate } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { issueCertificate } from "../../../../src/host/tls/issue.ts";
import { settleFirst } from "../../../../src/ops/renewal/first.ts";
import { createAuthority } from "../../../emulator/certificates.ts";

const day = 86_400_000;

/** @param fits which certificate it may begin with */
async function machine(t: ExecutionContext, fits = (_fingerprint: string) => true) {
  const folder = mkdtempSync(join(tmpdir(), "qkd-back-"));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const [ca, another] = [await createAuthority("Root"), await createAuthority("Another")];
  const issue = () => ca.issue({ commonName: "km-a", dns: ["km-a"], usage: "both", days: 10 });
  let own = await issue();
  while (!fits(new X509Certificate(own.cert).fingerprint256)) own = await issue();
  const { publicKey } = new X509Certificate(own.cert);
  /** Another certificate of the same key. */
  const by = async (one: typeof ca, days: number) =>
    issueCertificate(
      { certificate: new X509Certificate(one.cert), key: createPrivateKey(await one.exportKey()) },
      {
        publicKey: publicKey.export({ format: "der", type: "spki" }),
        commonName: "km-a",
        names: ["km-a"],
        usage: "both",
        serial: Buffer.of(1, days),
        from: Date.now() - day,
        to: Date.now() + days * day,
      },
    );
  const first = join(folder, "first");
  mkdirSync(first);
  const cert = join(folder, "state/tls/km.crt");
  const tables = {
    est: { url: "https://ra.example/.well-known/est", ca: "/ca", at: 2 / 3, first },
    stateDir: join(folder, "state"),
    sets: [{ for: "kx", cert, key: "/k", ca: undefined }],
  };
  const present = () => readFileSync(cert, "utf8");
  /** A start with this one in `first`. */
  const start = (brought: string, wall = Date.now()) => {
    writeFileSync(join(first, "km.crt"), brought);
    settleFirst(tables, wall);
    return present();
  };
  const renewed = (pem: string) => writeFileSync(cert, pem);
  /** While the file of this suffix cannot be written. */
  const blocked = (suffix: string, act: () => string) => {
    const inTheWay = `${cert}${suffix}.new`;
    mkdirSync(inTheWay);
    try {
      return act();
    } finally {
      rmSync(inTheWay, { recursive: true });
    }
  };
  return {
    blocked,
    own: own.cert,
    ours: (n: number) => by(ca, n),
    theirs: (n: number) => by(another, n),
    start,
    renewed,
  };
}

test("the one that gave way is back, as it was renewed, and the other can be brought again", async (t) => {
  const { own, ours, theirs, start, renewed } = await machine(t);
  start(own);
  const ours20 = await ours(20);
  renewed(ours20);
  t.is(start(own), ours20);
  const brought = await theirs(30);
  t.is(start(brought), brought, "on trial");
  t.is(start(own), ours20, "gone back from");
  t.is(start(own), ours20);
  t.is(start(brought), brought, "and taken after all");
});

test("it is back whatever its fingerprint looks like", async (t) => {
  const { own, theirs, start } = await machine(t, (fingerprint) => fingerprint.startsWith("0"));
  start(own);
  const brought = await theirs(30);
  t.is(start(brought), brought, "on trial");
  t.is(start(own), own, "gone back from");
});

test("a disk that takes nothing stops no start that goes back, and the next one does what is left", async (t) => {
  const { own, ours, theirs, start, renewed, blocked } = await machine(t);
  start(own);
  const ours20 = await ours(20);
  renewed(ours20);
  start(own);
  const brought = await theirs(30);
  start(brought);
  t.is(
    blocked("", () => start(own)),
    brought,
    "it starts all the same",
  );
  t.is(
    blocked(".first", () => start(own)),
    ours20,
    "the note is missing",
  );
  start(own);
  const later = await ours(25);
  renewed(later);
  t.is(start(brought), brought);
  t.is(start(own), later, "and not the one of the trial before");
});

test("one that is over, or that gave way long ago, does not come back", async (t) => {
  const { own, ours, theirs, start, renewed } = await machine(t);
  start(own);
  const brought = await theirs(30);
  start(brought);
  t.is(start(own, Date.now() + 11 * day), brought);
  // Renewed since: it is in use, and no trial.
  const later = await ours(40);
  renewed(later);
  t.is(start(own), later);
});
