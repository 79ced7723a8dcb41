/** The door of applications tells whether a client still hears the answer that it waits for. */
import test from "ava";
import { createLog } from "../../../../src/base/log.ts";
import { ApplicationTable } from "../../../../src/km/applications/table.ts";
import { Etsi014Server } from "../../../../src/km/io/etsi014-server.ts";
import { ManualClock } from "../../../clock.ts";
import { Connection } from "../../../conformance/kme/http.ts";
import { requestOf } from "../../../conformance/kme/kit.ts";
import { createAuthority } from "../../../emulator/certificates.ts";
import { eventually } from "../../../eventually.ts";

const limits = { standard: 256, least: 64, most: 65_536, number: 128, saes: 0 };
const withinMs = () => 5_000;
const id = "0d8c9a54-0000-4000-8000-000000000000";

test("a client that went away hears no answer; one under an Idempotency-Key is kept for it", async (t) => {
  const ca = await createAuthority("applications CA");
  const own = await ca.issue({ commonName: "km-a", dns: ["km-a"], usage: "server" });
  const rate = { keysPerS: 1_000, burst: 1_000 };
  const sae = { id: "a", km: "km-a", names: ["a"], partners: ["b"], rate };
  const table = new ApplicationTable("km-a", [sae]);
  const asked: (() => boolean)[] = [];
  const later = (...all: unknown[]) => void asked.push(all.at(-1) as () => boolean);
  const server = new Etsi014Server({
    ...{ host: "127.0.0.1", port: 0, tls: { ...own, ca: ca.cert }, table: () => table },
    ...{ keys: { limits, give: later, take: later, withinMs } as never, store: {} as never },
    clock: ManualClock.ofToday(),
    log: createLog(() => {}, "info"),
  });
  const port = await server.listen();
  t.teardown(() => server.close());
  const door = { host: "127.0.0.1", port, serverName: "km-a", prefix: "", ca: ca.cert };
  const shown = await ca.issue({ commonName: "a", dns: ["a"], usage: "client" });
  const named = { headers: { "idempotency-key": "one" } };
  const asks = [
    { path: "/api/v1/keys/b/enc_keys", more: {}, afterwards: false },
    { path: `/api/v1/keys/b/dec_keys?key_ID=${id}`, more: {}, afterwards: false },
    { path: "/api/v1/keys/b/enc_keys", more: named, afterwards: true },
  ];
  for (const [n, { path, more, afterwards }] of asks.entries()) {
    const one = await Connection.open(door, shown, 20_000);
    one.send(requestOf(door, path, more));
    await eventually("it has asked", () => asked.length === n + 1);
    t.true(asked[n]?.());
    one.close();
    if (!afterwards) await eventually("it is gone", () => asked[n]?.() === false);
  }
  await eventually("all are gone", () => asked[0]?.() === false);
  t.true(asked[2]?.());
});
