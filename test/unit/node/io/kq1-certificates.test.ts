import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createServer } from "node:tls";
import test from "ava";
import { systemClock } from "../../../../src/base/clock.ts";
import { ms } from "../../../../src/base/duration.ts";
import { Fault } from "../../../../src/base/errors.ts";
import { silentLog } from "../../../../src/base/log.ts";
import { readCredentials } from "../../../../src/host/tls/credentials.ts";
import {
  type CertificateNotice,
  lookEvery,
  watchCertificates,
} from "../../../../src/host/tls/watch.ts";
import { connectKm } from "../../../../src/node/io/connect.ts";
import { ManualClock } from "../../../clock.ts";
import { createAuthority } from "../../../emulator/certificates.ts";
import { KeyManager } from "../../../emulator/km/index.ts";

const day = 86_400_000;
const never = new AbortController().signal;

async function withFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "qkd-certificates-"));
  try {
    await body(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test("a KM whose certificate was taken back, expired or is another's gets no connection", async (t) => {
  await withFolder(async () => {
    const ca = await createAuthority("CA");
    const own = await ca.issue({ commonName: "node", dns: ["node"], usage: "client" });
    const attempt = async (identity: { cert: string; key: string }, crl?: string) => {
      const km = new KeyManager({ security: { ...identity, ca: ca.cert } });
      const port = await km.listen();
      const tls = { ...own, ca: ca.cert, ...(crl !== undefined && { crl }) };
      const endpoint = {
        host: "127.0.0.1",
        port,
        serverName: "km",
        tls,
        connectTimeout: ms(5_000),
      };
      try {
        const socket = await connectKm(endpoint, systemClock, never);
        socket.destroy();
        return undefined;
      } catch (error) {
        return error as Fault;
      } finally {
        await km.close();
      }
    };
    const good = await ca.issue({ commonName: "km", dns: ["km"], usage: "server" });
    const other = await ca.issue({ commonName: "km2", dns: ["km2"], usage: "server" });
    const expired = await ca.issue({ commonName: "km", dns: ["km"], usage: "server", days: -1 });
    t.is(await attempt(good), undefined);
    t.is(await attempt(good, await ca.revoke([other.cert])), undefined);
    for (const fault of [
      await attempt(good, await ca.revoke([good.cert])),
      await attempt(other),
      await attempt(expired),
    ]) {
      t.true(fault instanceof Fault);
      t.like(fault, { code: "kq1.connect", facts: { certificate: "refused" } });
    }
  });
});

test("a KM that speaks TLS 1.2 at best gets no connection", async (t) => {
  const ca = await createAuthority("CA");
  const own = await ca.issue({ commonName: "node", dns: ["node"], usage: "client" });
  const km = await ca.issue({ commonName: "km", dns: ["km"], usage: "server" });
  const server = createServer({ ...km, maxVersion: "TLSv1.2" }, (socket) => socket.destroy());
  server.on("tlsClientError", () => {});
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  const tls = { ...own, ca: ca.cert };
  const endpoint = { host: "127.0.0.1", port, serverName: "km", tls, connectTimeout: ms(5_000) };
  const fault = await t.throwsAsync(connectKm(endpoint, systemClock, never), { instanceOf: Fault });
  t.is((fault as Fault).code, "kq1.connect");
  server.close();
});

test("a certificate that expires within thirty days is told of once a day", async (t) => {
  await withFolder(async (folder) => {
    const ca = await createAuthority("CA");
    const identity = await ca.issue({
      commonName: "node",
      dns: ["node"],
      usage: "client",
      days: 40,
    });
    const files = { ca: join(folder, "ca"), cert: join(folder, "cert"), key: join(folder, "key") };
    writeFileSync(files.ca, ca.cert);
    writeFileSync(files.cert, identity.cert);
    writeFileSync(files.key, identity.key);
    const clock = ManualClock.ofToday();
    const events: CertificateNotice[] = [];
    let changes = 0;
    const onChange = () => changes++;
    const watched = [{ name: "km.main", files, onChange }];
    const watch = watchCertificates(watched, clock, silentLog, (event) => events.push(event));
    await clock.advance(3 * lookEvery);
    t.deepEqual([events.length, changes], [0, 0]);
    clock.offset += 11 * day;
    await clock.advance(3 * lookEvery);
    t.is(events.length, 1);
    t.like(events[0], { type: "certificate_expiring", facts: { for: "km.main", days: 28 } });
    clock.offset += day;
    await clock.advance(lookEvery);
    t.is(events.length, 2);
    clock.offset += 40 * day;
    await clock.advance(lookEvery);
    t.is(events.at(-1)?.type, "certificate_expired");
    t.is(changes, 0);
    const renewed = await ca.issue({ commonName: "node", usage: "client" });
    writeFileSync(files.cert, renewed.cert);
    writeFileSync(files.key, renewed.key);
    watch.look();
    t.is(changes, 1);
    writeFileSync(files.cert, "nonsense");
    watch.look();
    t.like(events.at(-1), { type: "certificate_unreadable", facts: { for: "km.main" } });
    t.is(changes, 1, "what can't be read is no change yet");
    t.throws(() => readCredentials({ ...files, key: join(folder, "none") }, "kq1.connect"), {
      message: /cannot be read/,
    });
    watch.stop();
    t.is(clock.timers, 0);
  });
});

test("what is connected is checked again every minute, also while the files cannot be read", async (t) => {
  await withFolder(async (folder) => {
    const ca = await createAuthority("CA");
    const own = await ca.issue({ commonName: "node", dns: ["node"], usage: "client", days: 90 });
    const files = { ca: join(folder, "ca"), cert: join(folder, "cert"), key: join(folder, "key") };
    writeFileSync(files.ca, ca.cert);
    writeFileSync(files.cert, own.cert);
    writeFileSync(files.key, own.key, { mode: 0o600 });
    const clock = ManualClock.ofToday();
    const notices: CertificateNotice[] = [];
    let looks = 0;
    const onLook = () => void looks++;
    const onNotice = (notice: CertificateNotice) => void notices.push(notice);
    const watch = watchCertificates(
      [{ name: "km.one", files, onLook }],
      clock,
      silentLog,
      onNotice,
    );
    t.is(looks, 1);
    rmSync(files.cert);
    await clock.advance(lookEvery);
    t.is(looks, 2);
    t.deepEqual(watch.look(), ["km.one"]);
    t.is(looks, 3);
    t.deepEqual(
      notices.map(({ type }) => type),
      ["certificate_unreadable"],
    );
    watch.stop();
  });
});
