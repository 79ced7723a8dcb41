/** The local socket of a key manager: it answers before the store is open. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "ava";
import { systemClock } from "../../../../src/base/clock.ts";
import { silentLog } from "../../../../src/base/log.ts";
import { parseKmConfig } from "../../../../src/km/config/load.ts";
import { createKmLocal, kmSockets } from "../../../../src/km/local/local.ts";
import { families } from "../../../../src/km/metrics/families.ts";
import { ask } from "../../../../src/ops/cli/client.ts";
import type { ReadName } from "../../../../src/ops/local/protocol.ts";
import { ManualClock } from "../../../clock.ts";
import { goodStatus, shownKm } from "../../../rig/km-status.ts";

test("before the store is open it tells its log, its configuration and why not the rest", async (t) => {
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
  const answer = <T>(name: ReadName) => ask<T>(kmSockets(config), name);
  t.deepEqual(await answer("logs"), { lines: ['level=error msg="the disk is slow"'] });
  const shown = await answer<{ file: string; table: { store: object } }>("config");
  t.like(shown.table.store, { master_key_file: "/run/master.key", limit_mb: 4_096 });
  t.deepEqual(await answer("certs"), { certificates: [] });
  t.deepEqual(await answer("events"), { events: [] });
  for (const name of ["status", "links", "alarms", "keys", "metrics"] as const) {
    await t.throwsAsync(answer(name), { message: /is starting: its store is being opened/ }, name);
  }
  const records = {
    story: async () => t.fail() as never,
    list: async () => undefined,
    affected: async () => undefined,
    giveUp: async () => undefined,
  };
  const never = () => t.fail() as never;
  const acts = { rekey: never, relay: never, acknowledge: never };
  local.serve({ status: () => goodStatus(), records, ...acts });
  t.like(await answer("status"), { km_id: "km-a" });
});
