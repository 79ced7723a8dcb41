import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect, type TLSSocket } from "node:tls";
import test, { type ExecutionContext } from "ava";
import { type Clock, systemClock } from "../../../src/base/clock.ts";
import { createLog, silentLog } from "../../../src/base/log.ts";
import { SlaveServer } from "../../../src/psk/io/slave-server.ts";
import { TunnelEnd } from "../../../src/psk/rotation/end.ts";
import type { Answer, Message } from "../../../src/psk/rotation/messages.ts";
import { Slave } from "../../../src/psk/rotation/slave.ts";
import { ManualClock } from "../../clock.ts";
import { createAuthority } from "../../emulator/certificates.ts";
import { eventually } from "../../eventually.ts";

const id = "0d8c9a54-7d5c-4f3e-9a52-1f2e3d4c5b6a";
const offer = `${JSON.stringify({ offer: id })}\n`;

/** A slave's door, and a master before it. */
async function door(
  t: ExecutionContext,
  hear: (message: Message) => Promise<Answer>,
  clock: Clock = systemClock,
  lines: string[] = [],
) {
  const folder = mkdtempSync(join(tmpdir(), "psk-"));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const authority = await createAuthority("test CA");
  const slave = await authority.issue({ commonName: "b", dns: ["b"], usage: "both" });
  const master = await authority.issue({ commonName: "a", dns: ["a"], usage: "both" });
  const [ca, cert, key, crl] = ["ca", "cert", "key", "crl"].map((name) => `${folder}/${name}`) as [
    string,
    string,
    string,
    string,
  ];
  const files = { ca, cert, key, crl };
  writeFileSync(crl, await authority.revoke([]));
  writeFileSync(files.ca, authority.cert);
  writeFileSync(files.cert, slave.cert);
  writeFileSync(files.key, slave.key, { mode: 0o600 });
  const at = { host: "127.0.0.1", port: 0, name: "a", files };
  const server = new SlaveServer({
    ...at,
    hear,
    clock,
    log: createLog((line) => lines.push(line), "info"),
  });
  t.teardown(() => server.close());
  const port = await server.listen();
  const socket: TLSSocket = connect({ port, ca: authority.cert, ...master, servername: "b" });
  socket.on("error", () => {});
  t.teardown(() => socket.destroy());
  await once(socket, "secureConnect");
  return Object.assign(socket, {
    /** It is taken back, while the slave's own certificate is half written. */
    takeBack: async () => {
      writeFileSync(cert, slave.cert.slice(0, 300));
      writeFileSync(crl, await authority.revoke([master.cert]));
    },
  });
}

test("a master that does not wait for its answer is cut off", async (t) => {
  const answer = Promise.withResolvers<Answer>();
  let heard = 0;
  const socket = await door(t, () => {
    heard++;
    return answer.promise;
  });
  socket.resume();
  const closed = once(socket, "close");
  socket.write(offer.repeat(1_000));
  await closed;
  t.is(heard, 1);
  answer.resolve("ready");
});

test("one that waits is answered each time", async (t) => {
  const socket = await door(t, async () => "ready");
  for (let i = 0; i < 3; i++) {
    const answered = once(socket, "data");
    socket.write(offer);
    const [answer] = await answered;
    t.is(String(answer), '{"answer":"ready"}\n');
  }
});

test("a master that is taken back is cut also while the slave's own certificate is half written", async (t) => {
  const clock = ManualClock.ofToday();
  const lines: string[] = [];
  const socket = await door(t, async () => "ready", clock, lines);
  socket.resume();
  await socket.takeBack();
  t.false(socket.destroyed);
  await clock.advance(60_000);
  t.regex(lines.join("\n"), /client is not accepted.*CERT_REVOKED/);
  await eventually("its end", () => socket.destroyed, { is: true });
});

test("what connections that are gone have left is bounded", async (t) => {
  const fetched = Promise.withResolvers<never>();
  const place = {
    current: undefined,
    next: undefined,
    keepNext: async () => {},
    dropNext: async () => {},
    promote: async () => {},
  };
  const tunnel = { isRepeatable: true, install: async () => {}, agreed: async () => {} };
  const source = { keyOf: () => fetched.promise };
  const end = new TunnelEnd(place, tunnel);
  const slave = new Slave({ place, end, source, log: silentLog });
  const answers = Array.from({ length: 9 }, () => slave.hear({ act: "offer", id }));
  t.is(await answers[8], "failed", "at once: none of those before it is over");
});
