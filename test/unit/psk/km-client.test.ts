import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { systemClock } from "../../../src/base/clock.ts";
import { describe, Fault } from "../../../src/base/errors.ts";
import { KmClient } from "../../../src/psk/io/km-client.ts";
import { createAuthority } from "../../emulator/certificates.ts";

const secret = "c2VjcmV0IHNlY3JldCBzZWNyZXQ=";

/** A client of a KM that answers all with this status, and with a text that is not to be quoted. */
async function clientOf(t: ExecutionContext, status: number) {
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
    response.writeHead(status).end(JSON.stringify({ message: secret }));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.teardown(() => server.close());
  const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const options = { url, serverName: "km", files, partner: "vpn-b", size: 4_096 };
  return { url, client: new KmClient({ ...options, clock: systemClock }) };
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
