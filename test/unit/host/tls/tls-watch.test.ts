import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "ava";
import { silentLog } from "../../../../src/base/log.ts";
import { type Credentials, KeptCredentials } from "../../../../src/host/tls/credentials.ts";
import {
  type CertificateNotice,
  lookEvery,
  watchCertificates,
} from "../../../../src/host/tls/watch.ts";
import { ManualClock } from "../../../clock.ts";
import { createAuthority } from "../../../emulator/certificates.ts";

test("whom it trusts and who it is are each taken when they can be, and who is connected is checked in any case", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "qkd-watch-"));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const ca = await createAuthority("CA");
  const own = await ca.issue({ commonName: "km", usage: "both", days: 90 });
  const [none, one] = [await ca.revoke([]), await ca.revoke([own.cert])];
  const names = ["ca", "cert", "key", "crl"] as const;
  const [caFile, cert, key, crl] = names.map((name) => join(folder, name)) as [
    string,
    string,
    string,
    string,
  ];
  const first = { ca: ca.cert, ...own, crl: none };
  for (const name of names) writeFileSync(join(folder, name), first[name]);
  const clock = ManualClock.ofToday();
  const changes: Credentials[] = [];
  const notices: CertificateNotice[] = [];
  let looks = 0;
  const watched = {
    name: "kx",
    files: { ca: caFile, cert, key, crl },
    onChange: (now: Credentials) => void changes.push(now),
    onLook: () => void looks++,
  };
  const watch = watchCertificates([watched], clock, silentLog, (notice) => notices.push(notice));
  t.deepEqual([changes.length, looks, watch.look()], [0, 1, []]);

  writeFileSync(cert, own.cert.slice(0, 300));
  writeFileSync(crl, one);
  t.deepEqual(watch.look(), ["kx"]);
  t.is(changes.length, 1);
  t.true(changes[0]?.crl === one && changes[0].cert === own.cert);
  t.is(notices.at(-1)?.type, "certificate_unreadable");

  const renewed = await ca.issue({ commonName: "km", usage: "both", days: 90 });
  writeFileSync(cert, renewed.cert);
  writeFileSync(key, renewed.key);
  rmSync(caFile);
  t.deepEqual(watch.look(), ["kx"]);
  t.is(changes.length, 2);
  t.true(changes[1]?.ca === ca.cert && changes[1].crl === one && changes[1].cert === renewed.cert);

  writeFileSync(caFile, ca.cert.slice(0, 300));
  await clock.advance(lookEvery);
  t.deepEqual([changes.length, looks], [2, 5]);
  writeFileSync(caFile, ca.cert);
  t.deepEqual(watch.look(), []);
  t.is(changes.length, 2);
  watch.stop();
});

test("of a certificate and a key of which one is renewed the pair of before stays in use, and that is told", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "qkd-watch-"));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const ca = await createAuthority("CA");
  const own = await ca.issue({ commonName: "km", usage: "both", days: 90 });
  const renewed = await ca.issue({ commonName: "km", usage: "both", days: 90 });
  const files = { ca: join(folder, "ca"), cert: join(folder, "cert"), key: join(folder, "key") };
  writeFileSync(files.ca, ca.cert);
  writeFileSync(files.cert, own.cert);
  writeFileSync(files.key, own.key);
  const changes: Credentials[] = [];
  const notices: CertificateNotice[] = [];
  const watched = { name: "kx", files, onChange: (now: Credentials) => void changes.push(now) };
  const tell = (notice: CertificateNotice) => void notices.push(notice);
  const watch = watchCertificates([watched], ManualClock.ofToday(), silentLog, tell);
  t.teardown(() => watch.stop());
  // What a connection of now would show.
  const kept = new KeptCredentials(files, "config.file");
  kept.read();

  writeFileSync(files.cert, renewed.cert);
  t.deepEqual(watch.look(), ["kx"]);
  t.deepEqual(changes, []);
  const reason = String(notices.at(-1)?.facts.reason);
  t.regex(reason, /certificate and key do not belong together/);
  t.true(reason.includes(files.cert) && reason.includes(files.key), reason);
  t.true(kept.read().cert === own.cert && kept.read().key === own.key);
  t.regex(kept.trouble?.message ?? "", /do not belong together/);

  writeFileSync(files.key, renewed.key);
  t.deepEqual(watch.look(), []);
  t.is(changes.length, 1);
  t.true(changes[0]?.cert === renewed.cert && changes[0].key === renewed.key);
  t.true(kept.read().cert === renewed.cert && kept.trouble === undefined);
});
