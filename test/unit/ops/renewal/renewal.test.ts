import type { X509Certificate } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ExecutionContext } from "ava";
import { systemClock } from "../../../../src/base/clock.ts";
import { silentLog } from "../../../../src/base/log.ts";
import { diskFiles } from "../../../../src/host/disk/files.ts";
import { readCertificates } from "../../../../src/host/tls/pem.ts";
import { Renewal } from "../../../../src/ops/renewal/renewal.ts";
import { type Authority, createAuthority, loadAuthority } from "../../../emulator/certificates.ts";
import { testWith } from "../../../needs.ts";
import { type EstServerProcess, startEstServer } from "../../../rig/est-server.ts";

const day = 86_400_000;

/** As of so many days ago. */
const asOf = (days: number) => ({ ...systemClock, wall: () => Date.now() - days * day });

interface Bench {
  /** Of the renewals: how far its monotonic clock is ahead, and its wall clock behind, ms. */
  readonly shift: { now: number; behind: number };
  readonly folder: string;
  readonly est: EstServerProcess;
  readonly ca: Authority;
  /** What was told of the certificate last. */
  readonly told: (string | undefined)[];
  readonly renewals: number;
  /** @param ago days since it was issued @param days of its life */
  renewal(ago: number, days: number, login?: boolean): Promise<Renewal>;
  present(): X509Certificate[];
}

async function bench(t: ExecutionContext, python: string): Promise<Bench> {
  const folder = mkdtempSync(join(tmpdir(), "qkd-est-"));
  const ca = await createAuthority("Root", asOf(100));
  const est = await startEstServer(python, join(folder, "server"), ca);
  t.teardown(async () => {
    await est.stop();
    rmSync(folder, { recursive: true });
  });
  const at = (name: string) => join(folder, name);
  writeFileSync(at("ca.crt"), ca.cert);
  writeFileSync(at("password"), "secret\n", { mode: 0o600 });
  const told: (string | undefined)[] = [];
  let renewals = 0;
  const shift = { now: 0, behind: 0 };
  const clock = {
    ...systemClock,
    now: () => systemClock.now() + shift.now,
    wall: () => systemClock.wall() - shift.behind,
  };
  return {
    shift,
    folder,
    est,
    ca,
    told,
    get renewals() {
      return renewals;
    },
    present: () => readCertificates(readFileSync(at("km.crt"))),
    async renewal(ago, days, login = false) {
      // The authority's clock is that of then.
      const then = await loadAuthority(ca.cert, await ca.exportKey(), asOf(ago));
      const own = await then.issue({ commonName: "km-a", dns: ["km-a"], usage: "both", days });
      writeFileSync(at("km.crt"), own.cert);
      writeFileSync(at("km.key"), own.key, { mode: 0o600 });
      const account = { username: "node", password_file: at("password") };
      return new Renewal({
        est: { url: est.url, ca: at("ca.crt"), at: 2 / 3, ...(login && account) },
        certificates: [{ for: "kx", cert: at("km.crt"), key: at("km.key"), ca: at("ca.crt") }],
        tell: (_, why) => told.push(why),
        onRenewed: () => {
          renewals++;
        },
        files: diskFiles,
        clock,
        random: () => 0.5,
        log: silentLog,
      });
    },
  };
}

testWith(
  "python3",
  "a server of EST renews a certificate with the key that it has",
  async (t, python) => {
    const all = await bench(t, python);
    const early = await all.renewal(10, 30);
    await early.look();
    t.deepEqual(all.est.requests, []);
    t.deepEqual(all.told, [undefined]);

    const due = await all.renewal(25, 30);
    const [before] = all.present();
    await due.look();
    t.deepEqual(all.told.at(-1), undefined);
    t.deepEqual(all.est.requests, [
      "GET /.well-known/est/cacerts 200",
      "POST /.well-known/est/simplereenroll 200",
    ]);
    const [after, ...more] = all.present();
    t.deepEqual(more, []);
    t.is(all.renewals, 1);
    t.true(after?.publicKey.equals(before?.publicKey as never));
    t.is(after?.subject, "CN=km-a");
    t.is(after?.subjectAltName, "DNS:km-a");
    t.deepEqual(after?.keyUsage, before?.keyUsage);
    t.true((after?.validToDate.getTime() ?? 0) > Date.now() + 89 * day);
    // Not due any more: nothing is asked.
    await due.look();
    t.is(all.est.requests.length, 2);

    all.est.behave("ber");
    const again = await all.renewal(25, 30);
    await again.look();
    t.is(all.told.at(-1), undefined);
    t.is(all.renewals, 2);
  },
);

testWith(
  "python3",
  "what does not fit is not taken, is told, and is not asked for at once again",
  async (t, python) => {
    const all = await bench(t, python);
    const said = async (mode: "refuse" | "stranger" | "later") => {
      all.est.behave(mode);
      const renewal = await all.renewal(25, 30);
      const [before] = all.present();
      await renewal.look();
      const asked = all.est.requests.length;
      await renewal.look();
      t.is(all.est.requests.length, asked, mode);
      t.is(all.present()[0]?.fingerprint256, before?.fingerprint256, mode);
      return all.told.at(-1);
    };
    t.regex((await said("refuse")) ?? "", /refuses.*simplereenroll.*status=403/);
    t.regex((await said("stranger")) ?? "", /another key/);
    t.regex((await said("later")) ?? "", /the CA has not decided since \d{4}-/);
  },
);

testWith(
  "python3",
  "an expired one needs a login; a silent server is left when the daemon stops",
  async (t, python) => {
    const all = await bench(t, python);
    await (await all.renewal(40, 30)).look();
    t.regex(all.told.at(-1) ?? "", /has expired/);
    t.deepEqual(all.est.requests, []);
    await (await all.renewal(40, 30, true)).look();
    t.is(all.told.at(-1), undefined);
    t.is(all.est.requests.at(-1), "POST /.well-known/est/simpleenroll 200");
    t.is(all.present()[0]?.subjectAltName, "DNS:km-a");

    all.est.behave("silent");
    const tellings = all.told.length;
    const renewal = await all.renewal(25, 30);
    renewal.start();
    await renewal.stop();
    t.is(all.told.length, tellings);
  },
);

testWith(
  "python3",
  "a server that puts off is asked the same again, by which it knows the request",
  async (t, python) => {
    const all = await bench(t, python);
    all.est.behave("approve");
    const renewal = await all.renewal(25, 30);
    await renewal.look();
    t.is(all.renewals, 0);
    t.regex(all.told.at(-1) ?? "", /has not decided/);
    all.shift.now += 120_001;
    await renewal.look();
    t.is(all.renewals, 1);
    t.is(all.told.at(-1), undefined);
    t.deepEqual(
      all.est.requests.filter((line) => line.startsWith("POST")).map((line) => line.slice(-3)),
      ["202", "200"],
    );
  },
);

testWith(
  "python3",
  "a server that puts off for a day is asked again while the certificate is good",
  async (t, python) => {
    const all = await bench(t, python);
    all.est.behave("day");
    // Three hours of it are left.
    const renewal = await all.renewal(0.875, 1);
    await renewal.look();
    all.est.behave(undefined);
    all.shift.now += 6_300_000;
    await renewal.look();
    t.is(all.renewals, 1);
  },
);

testWith(
  "python3",
  "a certificate that a person brings meanwhile waits for nothing, nor does its alarm",
  async (t, python) => {
    const all = await bench(t, python);
    all.est.behave("refuse");
    const renewal = await all.renewal(25, 30);
    await renewal.look();
    t.truthy(all.told.at(-1));
    await all.renewal(0, 30);
    await renewal.look();
    t.is(all.told.at(-1), undefined);
  },
);

testWith(
  "python3",
  "what came and cannot be written, or is not valid yet, is kept: no other one is asked for",
  async (t, python) => {
    const all = await bench(t, python);
    const renewal = await all.renewal(25, 30);
    const [before] = all.present();
    const stays = () => t.is(all.present()[0]?.fingerprint256, before?.fingerprint256);
    all.shift.behind = 120_000;
    await renewal.look();
    stays();
    // Set back for a while, the clock makes nothing wait for days.
    all.shift.behind = 3 * day;
    all.shift.now += 120_001;
    await renewal.look();
    stays();
    // Two minutes later: the disk takes nothing.
    all.shift.behind = 0;
    all.shift.now += 120_001;
    mkdirSync(join(all.folder, "km.crt.new/in"), { recursive: true });
    await renewal.look();
    stays();
    t.truthy(all.told.at(-1));
    rmSync(join(all.folder, "km.crt.new"), { recursive: true });
    all.shift.now += 3_600_000;
    await renewal.look();
    t.is(all.told.at(-1), undefined);
    t.is(all.renewals, 1);
    t.is(all.est.requests.filter((line) => line.startsWith("POST")).length, 1);
  },
);

testWith("python3", "a server of another authority is not asked", async (t, python) => {
  const all = await bench(t, python);
  const renewal = await all.renewal(25, 30);
  writeFileSync(join(all.folder, "ca.crt"), (await createAuthority("Other")).cert);
  await renewal.look();
  t.regex(all.told.at(-1) ?? "", /certificate is from another CA/);
  t.deepEqual(all.est.requests, []);
});
