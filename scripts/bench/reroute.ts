/** Keys of two applications that share no fibre, while the way of their keys changes again and again, and while it stays. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { ask } from "../../src/ops/cli/client.ts";
import { createAuthority } from "../../test/emulator/certificates.ts";
import { eventually } from "../../test/eventually.ts";
import { ApplicationClient } from "../../test/rig/application.ts";
import { ControllerProcess } from "../../test/rig/controller-process.ts";
import { KmNet } from "../../test/rig/km-net.ts";
import type { Benchmark, Sample } from "./measure.ts";
import { launcher } from "./production.ts";

const kms = ["a", "b", "c", "d"] as const;
/** Two ways from `a` to `c`. */
const fibres = [
  ["a", "b"],
  ["b", "c"],
  ["a", "d"],
  ["d", "c"],
] as const;
/** Connections of the application, and keys that it asks for a second. */
const together = 16;
const pace = 20;
/** The link of the route goes out of service, and comes back, so often, ms. */
const changeMs = 5_000;

interface Bench {
  readonly client: ApplicationClient;
  readonly serve: (link: string, service: string) => Promise<unknown>;
  readonly route: () => Promise<string>;
}

async function withDiamond<T>(body: (bench: Bench) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(`${tmpdir()}/qkd-bench-reroute-`);
  const authority = await createAuthority("QKDN CA");
  const controller = await ControllerProcess.make({
    folder,
    authority,
    program: launcher("qkd-controller"),
    tables: `${kms.map((km) => `[node.km-${km}]\n`).join("")}[pair.ac]
between = ["km-a", "km-c"]
demand_bits_per_s = 100000
[routing]
settle_s = 0
hold_down_s = 0
`,
  });
  const net = await KmNet.make({
    folder,
    authority,
    kms,
    fibres,
    far: [{ ends: ["a", "c"], table: (end) => (end === "a" ? `routing = "controller"` : "") }],
    relay: () => `transit = [["*", "*"]]`,
    program: launcher("qkd-km"),
    more: () =>
      `[controller.one]\nhost = "127.0.0.1"\nport = ${controller.port}\nserver_name = "controller.example"\n`,
  });
  const client = new ApplicationClient(net.km("a") as never, net.km("a").application, together);
  try {
    await controller.start(AbortSignal.timeout(30_000));
    await net.start(AbortSignal.timeout(30_000));
    await net.feedAll(400);
    const socket = [`${controller.state}/control`];
    const route = async () => {
      const { pairs } = await controller.status();
      return pairs.find(({ pair }) => pair === "km-a--km-c")?.route[1] ?? "";
    };
    await eventually("a route", route, { when: (via) => via !== "", deadlineMs: 60_000 });
    const first = async () => (await client.encKeys("app-c")).status;
    await eventually("keys", first, { is: 200, deadlineMs: 60_000 });
    return await body({
      client,
      serve: (component, service) => ask(socket, "set_service", { component, service }),
      route,
    });
  } finally {
    client.close();
    await net.stop();
    await controller.process.stop();
    await rm(folder, { recursive: true });
  }
}

/**
 * Keys a second of those that were asked for at a steady pace, which one of the ways can carry alone: a request that is not
 * answered with a key within a second counts as none.
 */
async function keysOf({ client }: Bench, seconds: number) {
  let [keys, late, refused] = [0, 0, 0];
  const one = async () => {
    const begun = performance.now();
    const { status } = await client.encKeys("app-c");
    if (status !== 200) refused++;
    else if (performance.now() - begun <= 1_000) keys++;
    else late++;
  };
  const asked: Promise<void>[] = [];
  const begun = performance.now();
  for (let i = 0; i < seconds * pace; i++) {
    const wait = begun + (i * 1_000) / pace - performance.now();
    if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
    asked.push(one());
  }
  await Promise.all(asked);
  return { rate: keys / seconds, late, refused };
}

async function changing(bench: Bench, stop: AbortSignal): Promise<number> {
  let changes = 0;
  while (!stop.aborted) {
    const via = await bench.route();
    const [a, b] = ["km-a", via].sort();
    await bench.serve(`${a}--${b}`, "out_of_service");
    await new Promise((resolve) => setTimeout(resolve, changeMs));
    await bench.serve(`${a}--${b}`, "in_service");
    if ((await bench.route()) !== via) changes++;
  }
  return changes;
}

export const rerouteBenchmarks: readonly Benchmark[] = [
  {
    name: "keys while routes change",
    about: `of two applications without a fibre; the link of their route fails every ${changeMs / 1_000} s; to those of a route that stays`,
    unit: "keys/s to keys/s",
    reach: { least: 0.95 },
    slow: true,
    steady: true,
    subject: (seconds) =>
      withDiamond(async (bench): Promise<Sample> => {
        await keysOf(bench, 2);
        // Turn about, so that what else the machine does falls on both.
        let [still, moved, refused, late, changes] = [0, 0, 0, 0, 0];
        for (let turn = 0; turn < 3; turn++) {
          still += (await keysOf(bench, seconds)).rate;
          const stop = new AbortController();
          const changed = changing(bench, stop.signal);
          const found = await keysOf(bench, seconds);
          stop.abort();
          changes += await changed;
          moved += found.rate;
          refused += found.refused;
          late += found.late;
        }
        const notes = { "keys/s": moved / 3, "keys/s before": still / 3, refused, late, changes };
        return { value: moved / still, notes };
      }),
  },
];
