import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { type Clock, systemClock } from "../../../src/base/clock.ts";
import { describe, Fault } from "../../../src/base/errors.ts";
import { KmClient } from "../../../src/psk/io/km-client.ts";
import { createAuthority } from "../../emulator/certificates.ts";

const secret = "c2VjcmV0IHNlY3JldCBzZWNyZXQ=";

/** A client of a KM that answers all with this status (undefined: nothing), and with a text that is not to be quoted. */
async function clientOf(
  t: ExecutionContext,
  status: number | undefined,
  clock: Clock = systemClock,
  asked = () => {},
) {
  const folder = mkdtempSync(join(tmpdir(), "psk-"));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const authority = await createAuthority("test CA");
  const km = await authority.issue({ commonName: "km", dns: ["km"], usage: "server" });
  const own = await authority.issue({ commonName: "a", dns: ["a"], usage: "client" });
  const files = { ca: `${folder}/ca`, cert: `${folder}/cert`, key: `${folder}/key` };
  writeFileSync(files.ca, authority.cert);
  writeFileSync(files.cert, own.cert);
  writeFileSync(files.key, own.key, { mode: 0o600 });
  const server = createServer(km, (_request, response) => {
    asked();
    if (status === undefined) return;
    response.writeHead(status).end(JSON.stringify({ message: secret }));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.teardown(() => {
    server.close();
    server.closeAllConnections();
  });
  const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const options = { url, serverName: "km", files, partner: "vpn-b", size: 4_096 };
  return { url, client: new KmClient({ ...options, clock }) };
}

for (const [status, ofNew, ofKnown] of [
  [400, /no key of so many bits/, /no such key, or not any more/],
  [401, /as no application, or as none that may share keys/, /or the key is of others/],
  [404, /km\.url is of another server/, /km\.url is of another server/],
  [429, /more keys than it gives/, /it answered 429 \(/],
] as const) {
  test(`what a KM refuses by ${status} is told with what was asked for`, async (t) => {
    const { url, client } = await clientOf(t, status);
    const id = "0d8c9a54-7d5c-4f3e-9a52-1f2e3d4c5b6a";
    const enc = await t.throwsAsync(client.newKey(), { instanceOf: Fault });
    const dec = await t.throwsAsync(client.keyOf(id), { instanceOf: Fault });
    t.regex(describe(enc), ofNew);
    t.regex(describe(dec), ofKnown);
    t.true(describe(enc).endsWith(`(km=${url}, sae=vpn-b, bits=4096, status=${status})`));
    t.true(describe(dec).endsWith(`(km=${url}, sae=vpn-b, status=${status})`));
    t.false(`${describe(enc)}${describe(dec)}`.includes(secret));
  });
}

/** Time that goes on when it is waited for a moment, and when a test lets it. */
function steppedClock() {
  const timers = new Set<{ at: number; fn: () => void }>();
  const clock = {
    time: 0,
    now: () => clock.time,
    wall: () => Date.now() + clock.time,
    after(ms: number, fn: () => void) {
      const timer = { at: clock.time + ms, fn };
      timers.add(timer);
      if (ms < 1_000) setImmediate(() => clock.pass(timers.has(timer) ? ms : 0));
      return { cancel: () => timers.delete(timer) };
    },
    pass(ms: number) {
      clock.time += ms;
      for (const timer of [...timers]) {
        if (timer.at <= clock.time && timers.delete(timer)) timer.fn();
      }
    },
  };
  return clock;
}

const known = "0d8c9a54-7d5c-4f3e-9a52-1f2e3d4c5b6a";

test("a KM that says each time after a while that it has no key yet is given up before the master gives up", async (t) => {
  const clock = steppedClock();
  let asked = 0;
  const { client } = await clientOf(t, 503, clock, () => {
    asked++;
    clock.pass(6_000);
  });
  const fault = await t.throwsAsync(client.keyOf(known), { instanceOf: Fault });
  t.regex(describe(fault), /^no key from the KM: it answered 503 \(/);
  t.is(asked, 3);
  t.true(clock.time < 20_000, `${clock.time} ms`);
});

test("one that does not answer at all is told of with the limit", async (t) => {
  const clock = steppedClock();
  const { url, client } = await clientOf(t, undefined, clock, () => clock.pass(10_000));
  for (const key of [() => client.newKey(), () => client.keyOf(known)]) {
    const fault = await t.throwsAsync(key, { instanceOf: Fault });
    t.is(describe(fault), `no key from the KM: no answer within 10 s (km=${url})`);
  }
});
