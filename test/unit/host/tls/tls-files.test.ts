import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createSecureContext } from "node:tls";
import test, { type ExecutionContext } from "ava";
import { driverKinds } from "../../../../drivers/index.ts";
import { systemClock } from "../../../../src/base/clock.ts";
import { clientTls } from "../../../../src/host/tls/options.ts";
import { systemCas } from "../../../../src/host/tls/system.ts";
import { certificatesOf, trustOf } from "../../../../src/host/tls/trust.ts";
import { validity } from "../../../../src/host/tls/validity.ts";
import { describeCertificates } from "../../../../src/node/config/certificates.ts";
import { parseConfig } from "../../../../src/node/config/load.ts";
import { certificatesOf as ofConfig } from "../../../../src/node/doctor/doctor.ts";
import { checkCertificates } from "../../../../src/ops/doctor/certificates.ts";
import { type Authority, createAuthority } from "../../../emulator/certificates.ts";

const day = 86_400_000;
const now = Date.now();
/** An authority as of so many days ago: its certificate ends 400 days after that, one below it 300. */
const asOf = (days: number) => ({ ...systemClock, wall: () => now - days * day });

async function own(ca: Authority) {
  return ca.issue({ commonName: "node-a", dns: ["node-a"], usage: "client", days: 390 });
}

function bench(t: ExecutionContext, files: Readonly<Record<"ca" | "cert" | "key", string>>) {
  const folder = mkdtempSync(join(tmpdir(), "qkd-tls-"));
  t.teardown(() => rmSync(folder, { recursive: true }));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  const text = `node.id = "a"\nnode.state_dir = "${folder}"\n[web]\nenabled = false\n[km.main]
host = "km"\nport = 1\nca = "ca"\ncert = "cert"\nkey = "key"\n[[module]]\nname = "m"\nkm = "main"
[module.driver]\nkind = "qmlp"\npath = "/dev/x"\n`;
  const config = parseConfig(text, join(folder, "node.toml"), driverKinds);
  const reports = describeCertificates(config, now);
  const findings = checkCertificates(ofConfig(config), now).map(({ id, status, detail }) => {
    return [id, status, detail.replaceAll(`${folder}/`, "")] as const;
  });
  return { folder, reports, findings };
}

test("of the node's own chain the first end counts, and whose it is is told", async (t) => {
  const root = await createAuthority("Root");
  const soon = await (await createAuthority("Root", asOf(297.5))).subordinate("Issuing");
  const { cert, key } = await own(soon);
  const files = { ca: root.cert, cert: cert + soon.cert, key };
  const { folder, reports, findings } = bench(t, files);
  const [first, second, ca] = reports;
  t.like(first, { role: "own", place: 1, subject: "CN=node-a", key_matches: true });
  t.like(second, { role: "own", place: 2, subject: "CN=Issuing", days: 2 });
  t.is(second?.problem, undefined);
  t.like(ca, { role: "ca", subject: "CN=Root", in_use: true });
  const until = new Date(now + 2.5 * day).toISOString().slice(0, 10);
  t.deepEqual(findings[0], [
    "cert.km.main.own",
    "warn",
    `cert: CN=Issuing: 2 days left, until ${until}`,
  ]);
  t.is(findings[1]?.[1], "ok");
  t.is(Math.floor(((validity(join(folder, "cert"))?.to ?? 0) - now) / day), 2);
});

test("a certificate of the chain that has expired is no good, and one beside it does no harm", async (t) => {
  const [over, good] = await Promise.all([
    (await createAuthority("Root", asOf(310))).subordinate("Issuing"),
    createAuthority("Root"),
  ]);
  const ours = await own(over);
  const bad = bench(t, { ca: good.cert, cert: ours.cert + over.cert, key: ours.key });
  t.regex(bad.findings[0]?.join(" ") ?? "", /own fail cert: CN=Issuing: expired on 20/);
  const other = await own(good);
  const fine = bench(t, { ca: good.cert, cert: other.cert + over.cert, key: other.key });
  t.is(fine.findings[0]?.[1], "ok");
  t.is(fine.reports[1]?.note, "has no part in the chain of the first");
});

test("a CA that has expired beside good ones harms nothing; without a good one it does", async (t) => {
  const [old, root] = await Promise.all([
    createAuthority("Old CA", asOf(1_100)),
    createAuthority("Root"),
  ]);
  const sub = await root.subordinate("Issuing");
  const { cert, key } = await own(sub);
  const rotating = bench(t, { ca: old.cert + root.cert + sub.cert, cert, key });
  t.deepEqual(
    rotating.reports.slice(1).map(({ subject, in_use, problem, note }) => {
      return [subject, in_use, problem, note];
    }),
    [
      ["CN=Old CA", false, undefined, "expired"],
      ["CN=Root", true, undefined, undefined],
      ["CN=Issuing", true, undefined, undefined],
    ],
  );
  const [, [, status = "", detail = ""] = []] = rotating.findings;
  t.is(status, "ok");
  t.regex(detail, /^CN=Issuing, until .*; 1 of 3 CAs in the file has expired$/);

  const over = bench(t, { ca: old.cert, cert, key });
  t.regex(over.findings[1]?.join(" ") ?? "", /ca fail ca: expired on 20/);
  const cut = bench(t, { ca: old.cert + sub.cert, cert, key });
  t.regex(cut.findings[1]?.join(" ") ?? "", /ca fail ca: CN=Old CA: expired on 20/);
});

test("where the node's own certificate is from elsewhere, the CAs that last longest count", async (t) => {
  const [ending, lasting, elsewhere] = await Promise.all([
    createAuthority("Ending", asOf(395)),
    createAuthority("Lasting"),
    createAuthority("Elsewhere"),
  ]);
  const { cert, key } = await own(elsewhere);
  const { findings } = bench(t, { ca: ending.cert + lasting.cert, cert, key });
  t.regex(findings[1]?.join(" ") ?? "", /ca ok CN=Lasting, until/);
});

test("where no CA is named, those of the machine are trusted, as they are at the moment", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "qkd-tls-"));
  t.teardown(() => rmSync(folder, { recursive: true }));
  // They come before the files.
  delete process.env.SSL_CERT_FILE;
  delete process.env.SSL_CERT_DIR;
  const local = await createAuthority("Local CA");
  const file = join(folder, "bundle.crt");
  const trusts = () =>
    certificatesOf(systemCas([file])).some(({ subject }) => subject === "CN=Local CA");
  t.false(trusts());
  t.true(certificatesOf(systemCas([file])).length > 50, "a machine without any: those of Node.js");
  writeFileSync(file, local.cert);
  t.true(trusts());
  const extra = certificatesOf(systemCas([file])).length;
  writeFileSync(file, local.cert + (await createAuthority("Another")).cert);
  t.is(certificatesOf(systemCas([file])).length, extra + 1);
  t.notThrows(() => trustOf({ ca: undefined }));
});

test("files that were put together without a line end are read as if they had one", async (t) => {
  const [one, other] = await Promise.all([createAuthority("one"), createAuthority("other")]);
  const joined = `${one.cert.trim()}${other.cert.trim()}`;
  const { ca } = clientTls({ ca: joined }, "km.example", () => 0);
  const context = createSecureContext({ ca });
  t.truthy(context);
  t.is(ca, `${one.cert.trim()}\n${other.cert.trim()}`);
});
