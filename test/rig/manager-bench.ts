/** A manager with an outbox of its own, on a clock that the test moves or the real one. */

import { systemClock } from "../../src/base/clock.ts";
import { ms } from "../../src/base/duration.ts";
import { silentLog } from "../../src/base/log.ts";
import { starting } from "../../src/node/alarms/verdict.ts";
import { Manager, type ManagerOptions } from "../../src/node/manager/manager.ts";
import type { ModuleView } from "../../src/node/model/manager.ts";
import type { Outbox } from "../../src/ops/outbox/outbox.ts";
import { memoryOutbox } from "./outbox.ts";

export const never = new AbortController().signal;

export const noCredentials = {
  ca: undefined,
  cert: undefined,
  key: undefined,
  password: undefined,
} as const;

export const moduleView: ModuleView = {
  name: "alice",
  describe: () => ({ name: "alice", driver: "qmlp", where: "/dev/x", km: "main" }),
  state: () => ({ module: "DOWN", link: "OFF", km: "DOWN", reason: "unplugged", since: 0 }),
  takeTelemetryWindow: () => ({ qber: { last: 0.03, count: 1, age_ms: 0, quality: "good" } }),
  peekTelemetryWindow: () => ({}),
  supply: () => ({ supplied: 7, refused: { busy: 1 } }),
  health: () => starting(0),
  keptCounts: () => ({ "withheld.qber": 3 }),
};

export async function manager(
  url: string,
  more: Partial<ManagerOptions> = {},
): Promise<{ manager: Manager; outbox: Outbox }> {
  const outbox = more.outbox ?? (await memoryOutbox());
  const made = new Manager({
    url,
    base: "qkdn/v1",
    protocol: 5,
    username: undefined,
    credentials: () => noCredentials,
    telemetryInterval: ms(1_000),
    nodeId: "node-a",
    boot: 3,
    incarnation: "00112233aabbccdd",
    softwareVersion: "1.2.3",
    configurationDigest: "0123456789abcdef",
    outbox,
    clock: systemClock,
    log: silentLog,
    ...more,
  });
  return { manager: made, outbox };
}
