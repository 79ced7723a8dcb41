/** Lists of certificates that controllers took back, at a key manager: whose count, which is newer, what is kept. */
import { createPrivateKey, X509Certificate } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import test, { type ExecutionContext } from "ava";
import { systemClock } from "../../../../src/base/clock.ts";
import { silentLog } from "../../../../src/base/log.ts";
import { diskFiles } from "../../../../src/host/disk/files.ts";
import { parseCrls } from "../../../../src/host/tls/crl.ts";
import { issueList } from "../../../../src/host/tls/issue.ts";
import { trustOf } from "../../../../src/host/tls/trust.ts";
import { openRevocations, Revocations } from "../../../../src/km/wiring/revocations.ts";
import { type Authority, createAuthority } from "../../../emulator/certificates.ts";

const at = Date.UTC(2026, 5, 3);

async function lists(ca: Authority) {
  const key = createPrivateKey(await ca.exportKey());
  const issuer = { certificate: new X509Certificate(ca.cert), key };
  return (number: number, from: number, ...serials: string[]) => {
    const revoked = serials.map((serial) => ({ serial, at: from, reason: "superseded" as const }));
    const pem = issueList(issuer, { number, revoked, from, to: from + 86_400_000 });
    return { number, der: Buffer.from(pem.replace(/-----[^-]+-----/g, ""), "base64") };
  };
}

async function folderOf(t: ExecutionContext): Promise<string> {
  const folder = await mkdtemp(`${tmpdir()}/qkd-revoked-`);
  t.teardown(() => rm(folder, { recursive: true }));
  return folder;
}

test("a list of a CA that is trusted counts if it is newer, and is there after a restart", async (t) => {
  const folder = await folderOf(t);
  const [ca, stranger] = await Promise.all([createAuthority("CA"), createAuthority("other")]);
  const [list, foreign] = await Promise.all([lists(ca), lists(stranger)]);
  const parts = {
    files: diskFiles,
    folder,
    cas: () => [ca.cert],
    clock: systemClock,
    log: silentLog,
  };
  const one = await Revocations.open(parts);
  let changes = 0;
  one.onChange(() => changes++);
  const revoked = (of: Revocations) =>
    of.text === undefined ? undefined : parseCrls(of.text).map((known) => [...known.revoked]);
  one.told(foreign(9, at, "1"), "ctl");
  one.told({ number: 1, der: Buffer.from("no list") }, "ctl");
  t.is(revoked(one), undefined);
  one.told(list(2, at, "2"), "ctl");
  t.deepEqual(revoked(one), [["2"]]);
  one.told(list(3, at, "2", "3"), "ctl");
  one.told(list(2, at, "2"), "ctl");
  one.told(list(1, at + 60_000), "ctl");
  t.deepEqual(revoked(one), [["2", "3"]]);
  t.is(changes, 2);
  // A controller that lost its store counts from 1 again, and one whose clock was ahead is no older than it was: what
  // either takes back counts, and what was taken back before stays so.
  one.told(list(1, at + 60_000, "4"), "ctl");
  one.told(list(4, at - 60_000, "4", "5"), "ctl");
  t.deepEqual(revoked(one), [
    ["2", "3"],
    ["4", "5"],
  ]);
  one.told(list(5, at, "2", "3", "4", "5"), "ctl");
  t.deepEqual(revoked(one), [["2", "3", "4", "5"]]);
  t.is(changes, 5);
  await one.settled();
  t.deepEqual(revoked(await Revocations.open(parts)), [["2", "3", "4", "5"]]);
  // Four lists of one authority at most: those that were told first give way.
  for (let i = 6; i < 16; i++) one.told(list(i, at, String(i)), "ctl");
  t.deepEqual(revoked(one), [["12"], ["13"], ["14"], ["15"]]);
  await one.settled();
  await writeFile(`${folder}/revoked.crl`, "damaged");
  t.is((await Revocations.open(parts)).text, undefined);
});

test("a list that is told while the files of the CAs cannot be read counts all the same", async (t) => {
  const folder = await folderOf(t);
  const ca = await createAuthority("CA");
  const list = await lists(ca);
  const path = `${folder}/ca.crt`;
  await writeFile(path, ca.cert);
  const files = { ca: path, cert: `${folder}/none`, key: `${folder}/none` };
  const config = { km: { state_dir: folder }, kx: files, etsi014: files } as never;
  const one = await openRevocations(config, systemClock, silentLog);
  const serials = () => parseCrls(one.text ?? "").flatMap(({ revoked }) => [...revoked]);
  await rm(path);
  one.told(list(1, at, "1"), "ctl");
  t.deepEqual(serials(), ["1"]);
  await writeFile(path, ca.cert.slice(0, 300));
  one.told(list(2, at, "1", "2"), "ctl");
  t.deepEqual(serials(), ["1", "2"]);
  await one.settled();
});

test("a start goes on while the files of the CAs cannot be read, and a list counts once they can", async (t) => {
  const folder = await folderOf(t);
  const ca = await createAuthority("CA");
  const list = await lists(ca);
  const path = `${folder}/ca.crt`;
  await writeFile(path, ca.cert.slice(0, 300));
  const files = { ca: path, cert: `${folder}/none`, key: `${folder}/none` };
  const config = { km: { state_dir: folder }, kx: files } as never;
  const one = await openRevocations(config, systemClock, silentLog);
  // The controller tells it again.
  t.throws(() => one.told(list(1, at, "1"), "ctl"), { code: "config.file" });
  await writeFile(path, ca.cert);
  one.told(list(1, at, "1"), "ctl");
  t.deepEqual(
    parseCrls(one.text ?? "").flatMap(({ revoked }) => [...revoked]),
    ["1"],
  );
  await one.settled();
});

test("a list that was told takes back what it names, and demands no list of other CAs", async (t) => {
  const [ca, other] = await Promise.all([createAuthority("CA"), createAuthority("other")]);
  const [a, b, c] = await Promise.all([
    ca.issue({ commonName: "a", usage: "client" }),
    ca.issue({ commonName: "b", usage: "client" }),
    other.issue({ commonName: "c", usage: "client" }),
  ]);
  const trust = trustOf({ ca: ca.cert + other.cert, told: await ca.revoke([a.cert]) });
  const refusal = (pem: string) => trust.refusal([new X509Certificate(pem)], { wall: Date.now() });
  t.is(refusal(a.cert), "CERT_REVOKED");
  t.is(refusal(b.cert), undefined);
  t.is(refusal(c.cert), undefined);
});

test("of lists that cover each other so many are kept that every serial number is on one", async (t) => {
  const folder = await folderOf(t);
  const ca = await createAuthority("CA");
  const list = await lists(ca);
  const parts = {
    ...{ files: diskFiles, folder, cas: () => [ca.cert], clock: systemClock, log: silentLog },
  };
  const one = await Revocations.open(parts);
  one.told(list(2, at, "1", "2"), "ctl");
  one.told(list(3, at, "2", "3"), "ctl");
  one.told(list(4, at, "1", "3"), "ctl");
  const serials = (of: Revocations) =>
    [...new Set(parseCrls(of.text ?? "").flatMap(({ revoked }) => [...revoked]))].sort();
  t.deepEqual(serials(one), ["1", "2", "3"]);
  await one.settled();
  t.deepEqual(serials(await Revocations.open(parts)), ["1", "2", "3"]);
});
