/** The local socket of a key manager: it answers before the store is open. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { systemClock } from "../../../../src/base/clock.ts";
import { Fault } from "../../../../src/base/errors.ts";
import { exit } from "../../../../src/base/exit-codes.ts";
import { silentLog } from "../../../../src/base/log.ts";
import { parseKmConfig } from "../../../../src/km/config/load.ts";
import { createKmLocal, kmSockets } from "../../../../src/km/local/local.ts";
import { families } from "../../../../src/km/metrics/families.ts";
import type { GivenUp } from "../../../../src/km/records/tellings.ts";
import { ask } from "../../../../src/ops/cli/client.ts";
import { type ActName, LocalError, type ReadName } from "../../../../src/ops/local/protocol.ts";
import { ManualClock } from "../../../clock.ts";
import { goodStatus, shownKm } from "../../../rig/km-status.ts";

const given = { void_bits: 8, dropped_keys: 0, left_keys: 0, link_up: true } as unknown as GivenUp;

async function bench(t: ExecutionContext) {
  const folder = mkdtempSync(join(tmpdir(), "qkd-km-local-"));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const text = `[km]\nid = "km-a"\nstate_dir = "${folder}"\n[store]\nmaster_key_file = "/run/master.key"\n`;
  const config = parseKmConfig(text, "/etc/km.toml");
  const view = shownKm(new ManualClock(), () => goodStatus());
  view.logs.add('level=error msg="the disk is slow"');
  const metrics = () =>
    families(view, { cpuSeconds: 1, residentBytes: 1, heapBytes: 1, viewers: 0 });
  const { logs, history, recorder } = view;
  const local = createKmLocal(config, {
    ...{ logs, history, recorder, metrics },
    clock: systemClock,
    log: silentLog,
  });
  await local.server.listen();
  t.teardown(() => local.server.close());
  const records = {
    story: async () => t.fail() as never,
    list: async () => undefined,
    affected: async () => undefined,
    giveUp: async () => undefined,
  };
  const never = () => t.fail() as never;
  const acts = {
    status: () => goodStatus(),
    records,
    rekey: never,
    relay: never,
    acknowledge: never,
  };
  return { config, local, acts };
}

test("before the store is open it tells its log, its configuration and why not the rest", async (t) => {
  const { config, local, acts } = await bench(t);
  const answer = <T>(name: ReadName) => ask<T>(kmSockets(config), name);
  t.deepEqual(await answer("logs"), { lines: ['level=error msg="the disk is slow"'] });
  const shown = await answer<{ file: string; table: { store: object } }>("config");
  t.like(shown.table.store, { master_key_file: "/run/master.key", limit_mb: 4_096 });
  t.deepEqual(await answer("certs"), { certificates: [] });
  t.deepEqual(await answer("events"), { events: [] });
  for (const name of ["status", "links", "alarms", "keys", "metrics"] as const) {
    await t.throwsAsync(answer(name), { message: /is starting: its store is being opened/ }, name);
  }
  local.serve(acts);
  t.like(await answer("status"), { km_id: "km-a" });
});

test("an order that is urgent does not wait for a re-key whose token hangs", async (t) => {
  const { config, local, acts } = await bench(t);
  const begun = Promise.withResolvers<void>();
  const token = Promise.withResolvers<never>();
  local.serve({
    ...acts,
    records: { ...acts.records, giveUp: async () => given },
    rekey: () => {
      begun.resolve();
      return token.promise;
    },
    relay: () => undefined,
  });
  const order = (name: ActName, args: Record<string, string | number> = {}) =>
    ask(kmSockets(config), name, { confirm: "km-a", ...args });
  const rekey = order("rekey");
  await begun.promise;
  const fails = async (answer: Promise<unknown>, message: string, exitCode: number) => {
    t.like(await t.throwsAsync(answer), { message, exitCode });
  };
  await fails(order("rekey"), "another re-key is under way", exit.tryAgain);
  t.deepEqual(await order("relay", { link: "x", bits: 8 }), { ordered_bits: 8 });
  t.deepEqual(await order("compromise", { link: "x", from: 1 }), given);
  token.reject(new Fault("hsm.timeout", "the token does not answer"));
  // It runs: its exit code is that of a refusal.
  await fails(rekey, "nothing was done: the token does not answer", exit.failed);
  const busy = new Fault("km_store.busy", "it is being sealed anew");
  local.serve({
    ...acts,
    relay: () => "nothing is relayed for a link of this name from here",
    rekey: () => Promise.reject(busy),
  });
  const relay = order("relay", { link: "x", bits: 8 });
  await fails(relay, "nothing is relayed for a link of this name from here", exit.failed);
  await fails(order("rekey"), "nothing was done: it is being sealed anew", exit.tryAgain);
  const told = new LocalError("io", "the store has the new master key");
  local.serve({ ...acts, rekey: () => Promise.reject(told) });
  await t.throwsAsync(order("rekey"), { message: told.message });
});
