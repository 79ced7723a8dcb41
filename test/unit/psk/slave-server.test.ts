import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect, type TLSSocket } from "node:tls";
import test, { type ExecutionContext } from "ava";
import { systemClock } from "../../../src/base/clock.ts";
import { silentLog } from "../../../src/base/log.ts";
import { SlaveServer } from "../../../src/psk/io/slave-server.ts";
import { TunnelEnd } from "../../../src/psk/rotation/end.ts";
import type { Answer, Message } from "../../../src/psk/rotation/messages.ts";
import { Slave } from "../../../src/psk/rotation/slave.ts";
import { createAuthority } from "../../emulator/certificates.ts";

const id = "0d8c9a54-7d5c-4f3e-9a52-1f2e3d4c5b6a";
const offer = `${JSON.stringify({ offer: id })}\n`;

/** A slave's door, and a master before it. */
async function door(t: ExecutionContext, hear: (message: Message) => Promise<Answer>) {
  const folder = mkdtempSync(join(tmpdir(), "psk-"));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const authority = await createAuthority("test CA");
  const slave = await authority.issue({ commonName: "b", dns: ["b"], usage: "both" });
  const master = await authority.issue({ commonName: "a", dns: ["a"], usage: "both" });
  const files = { ca: `${folder}/ca`, cert: `${folder}/cert`, key: `${folder}/key` };
  writeFileSync(files.ca, authority.cert);
  writeFileSync(files.cert, slave.cert);
  writeFileSync(files.key, slave.key, { mode: 0o600 });
  const at = { host: "127.0.0.1", port: 0, name: "a", files };
  const server = new SlaveServer({ ...at, hear, clock: systemClock, log: silentLog });
  t.teardown(() => server.close());
  const port = await server.listen();
  const socket: TLSSocket = connect({ port, ca: authority.cert, ...master, servername: "b" });
  socket.on("error", () => {});
  t.teardown(() => socket.destroy());
  await once(socket, "secureConnect");
  return socket;
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
