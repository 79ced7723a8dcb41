/** Who asks for keys has an answer in time, whatever the disk does; what comes later is for none. */
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "ava";
import { createLog } from "../../../../src/base/log.ts";
import type { Granted } from "../../../../src/km/applications/keys.ts";
import { ApplicationTable } from "../../../../src/km/applications/table.ts";
import { Etsi014Server } from "../../../../src/km/io/etsi014-server.ts";
import { SkipClients } from "../../../../src/km/io/skip-clients.ts";
import { SkipServer } from "../../../../src/km/io/skip-server.ts";
import { noOffer } from "../../../../src/km/store/shapes.ts";
import { asUuid } from "../../../../src/wire/etsi014/key-ids.ts";
import { ManualClock } from "../../../clock.ts";
import { Connection } from "../../../conformance/kme/http.ts";
import { requestOf } from "../../../conformance/kme/kit.ts";
import { createAuthority } from "../../../emulator/certificates.ts";
import { eventually } from "../../../eventually.ts";
import { SkipClient } from "../../../rig/skip-client.ts";

const limits = { standard: 256, least: 64, most: 65_536, number: 128, saes: 0 };
const rate = { keysPerS: 1_000, burst: 1_000 };
const id = "0d8c9a54000040008000000000000000";
const withinMs = 5_000;
const late = { message: "this KME has no answer in time" };

/** Keys that a test gives when it wants, and the store that has them. */
function slowKeys() {
  const asked: { done: (result: Granted) => void; isWanted: () => boolean }[] = [];
  const later = (...all: unknown[]) => {
    const [done, isWanted] = all.slice(-2) as [(result: Granted) => void, () => boolean];
    asked.push({ done, isWanted });
  };
  const given: Buffer[] = [];
  let forgotten = 0;
  const store = {
    read: (_link: string, _ranges: unknown, done: (bytes: Buffer) => void) => {
      const bytes = randomBytes(32);
      given.push(bytes);
      done(bytes);
    },
    forget: () => void forgotten++,
  };
  const ranges = [{ extent: 1, start: 0, end: 32, version: 0 }];
  const use = {
    ...{ id, count: 1, offer: noOffer, owner: true, ranges, state: "S" as const, had: 0 },
    ...{ fate: undefined, request: "a b", assigned: false, number: 0, pickUp: 60 },
  };
  const granted: Granted = { link: "fibre", uses: [use], level: "any" };
  const keys = { limits, give: later, take: later, withinMs: () => withinMs };
  const wiped = () => given.every((bytes) => bytes.every((byte) => byte === 0));
  return { asked, granted, keys, store, given, wiped, forgotten: () => forgotten };
}

function tableOf(more: object = {}): ApplicationTable {
  const sae = { id: "a", km: "km-a", names: ["a"], partners: ["b"], rate, ...more };
  const other = { id: "b", km: "km-b", names: ["b"], partners: ["a"], rate };
  return new ApplicationTable("km-a", [sae, other]);
}

const log = createLog(() => {}, "info");

test("over ETSI GS QKD 014 it is 503 in time, and what comes later is for the next question of its name", async (t) => {
  const ca = await createAuthority("applications CA");
  const own = await ca.issue({ commonName: "km-a", dns: ["km-a"], usage: "server" });
  const { asked, granted, keys, store, given, wiped, forgotten } = slowKeys();
  const clock = ManualClock.ofToday();
  const table = tableOf();
  const server = new Etsi014Server({
    ...{ host: "127.0.0.1", port: 0, tls: { ...own, ca: ca.cert }, table: () => table },
    ...{ keys: keys as never, store: store as never, clock, log },
  });
  const port = await server.listen();
  t.teardown(() => server.close());
  const door = { host: "127.0.0.1", port, serverName: "km-a", prefix: "", ca: ca.cert };
  const shown = await ca.issue({ commonName: "a", dns: ["a"], usage: "client" });
  const client = await Connection.open(door, shown, 20_000);
  t.teardown(() => client.close());
  const named = { headers: { "idempotency-key": "one" } };
  for (const [n, { path, more }] of [
    { path: "/api/v1/keys/b/enc_keys", more: {} },
    { path: `/api/v1/keys/b/dec_keys?key_ID=${asUuid(id)}`, more: {} },
    { path: "/api/v1/keys/b/enc_keys", more: named },
  ].entries()) {
    client.send(requestOf(door, path, more));
    await eventually("it has asked", () => asked.length === n + 1);
    t.true(asked[n]?.isWanted());
    await clock.advance(withinMs);
    const { status, headers, body } = await client.answer(path);
    t.deepEqual([status, headers["retry-after"]], [503, "1"]);
    t.deepEqual(JSON.parse(body.toString()), late);
    t.is(asked[n]?.isWanted(), more === named);
    // Its keys were its own by then: they are read, forgotten, and in no answer.
    asked[n]?.done(granted);
    t.is(given.length, n + 1);
    t.is(forgotten(), n + 1);
    t.true(wiped());
  }
  client.send(requestOf(door, "/api/v1/keys/b/enc_keys", named));
  const again = await client.answer("the same question");
  t.is(again.status, 200);
  t.is(JSON.parse(again.body.toString()).keys.length, 1);
  t.is(asked.length, 3);
});

test("over SKIP it is 503 in time, and what comes later is for none", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "qkd-in-time-"));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const pskFile = join(folder, "a.psk");
  writeFileSync(pskFile, `${randomBytes(32).toString("hex")}\n`, { mode: 0o600 });
  const { asked, granted, keys, store, given, wiped, forgotten } = slowKeys();
  const clock = ManualClock.ofToday();
  const table = tableOf({ skip: { identity: "router-a", pskFile } });
  const clients = new SkipClients("km-a", () => table);
  t.deepEqual(clients.load(), []);
  const server = new SkipServer({
    ...{ host: "127.0.0.1", port: 0, clients, table: () => table },
    ...{ keys: keys as never, store: store as never, clock, log },
  });
  const port = await server.listen();
  t.teardown(() => server.close());
  const client = new SkipClient({ host: "127.0.0.1", port, identity: "router-a", pskFile });
  t.teardown(() => client.close());
  for (const [n, path] of ["/key?remoteSystemID=b", `/key/${id}?remoteSystemID=b`].entries()) {
    const answer = client.ask(path);
    await eventually("it has asked", () => asked.length === n + 1);
    await clock.advance(withinMs);
    const { status, headers, body } = await answer;
    t.deepEqual([status, headers["retry-after"], body], [503, "1", late]);
    t.false(asked[n]?.isWanted());
    asked[n]?.done(granted);
    t.is(given.length, n + 1);
    t.is(forgotten(), n + 1);
    t.true(wiped());
  }
});
