/** Keys that are relayed over three hops: four key managers in a row, as processes of the production build. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ask } from "../../src/ops/cli/client.ts";
import { ApplicationClient, heldKeys } from "../../test/rig/application.ts";
import { KmNet, type KmOfNet } from "../../test/rig/km-net.ts";
import { type Benchmark, percentile } from "./measure.ts";
import { usageOf } from "./node-child.ts";
import { launcher } from "./production.ts";

const names = ["a", "b", "c", "d"] as const;
const fibres = [
  ["a", "b"],
  ["b", "c"],
  ["c", "d"],
] as const;
const deadlineMs = 180_000;
/** The longest relay, and the longest of version 1 of the KM link; bits. */
const longest = 8_388_608;
const short = 458_752;
const keyBytes = 32_768;

async function until(what: string, probe: () => Promise<boolean>): Promise<void> {
  const begun = performance.now();
  while (!(await probe())) {
    if (performance.now() - begun > deadlineMs) throw new Error(`${what}: not in time`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

async function linkOf(km: KmOfNet, to: string) {
  const { links } = await km.status();
  return links.find(({ name }) => name === to);
}

/** Who begins relays: the KM at one end, or those at both, half of all each. */
type Ways = readonly (readonly [source: "a" | "d", destination: "a" | "d"])[];
const oneWay: Ways = [["a", "d"]];
const bothWays: Ways = [
  ["a", "d"],
  ["d", "a"],
];
const routes = { a: `["km-b", "km-c"]`, d: `["km-c", "km-b"]` };

/** @param batch bits of a relay @param bytes of stock on each fibre, of both owners */
async function withRow<T>(
  batch: number,
  bytes: number,
  ways: Ways,
  use: (net: KmNet) => Promise<T>,
): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), "qkd-bench-relay-"));
  let net: KmNet | undefined;
  try {
    net = await KmNet.make({
      folder,
      program: launcher("qkd-km"),
      kms: names,
      fibres,
      far: [
        {
          ends: ["a", "d"],
          table: (end) =>
            ways.some(([source]) => source === end)
              ? `routes = [${routes[end as "a" | "d"]}]\npool = "manual"\nbatch_bits = ${batch}\nhigh_bits = 10_000_000_000`
              : "",
        },
      ],
      relay: (km) => `within_s = 30${"bc".includes(km) ? `\ntransit = [["km-a", "km-d"]]` : ""}`,
      wipeAfterS: 10,
    });
    await net.start(AbortSignal.timeout(deadlineMs));
    const keys = Math.ceil(bytes / keyBytes);
    // A message of Kq-1 has 65,535 bytes at most, its key in base64.
    for (const fibre of fibres) await net.feed(fibre, keys, keyBytes);
    for (const [one, other] of fibres) {
      const km = net.km(one);
      const isThere = async () =>
        ((await linkOf(km, other))?.matched_bits ?? 0) >= keys * keyBytes * 8;
      await until("stock", isThere);
    }
    return await use(net);
  } finally {
    await net?.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** @param bits of relays that each source begins: a whole number of them */
async function relayed(net: KmNet, ways: Ways, bits: number): Promise<void> {
  const [a, d] = [net.km("a"), net.km("d")];
  const before = (await linkOf(a, "d"))?.matched_bits ?? 0;
  for (const [source, link] of ways) {
    const given = { confirm: `km-${source}`, link, bits };
    await ask([`${net.km(source).state}/control`], "relay", given, undefined, {
      called: "the key manager",
      command: "qkd-km",
    });
  }
  for (const [km, to] of [
    [a, "d"],
    [d, "a"],
  ] as const) {
    const isThere = async () =>
      ((await linkOf(km, to))?.matched_bits ?? 0) >= before + bits * ways.length;
    await until("relayed keys", isThere);
  }
}

const cpuOf = (net: KmNet) => net.kms.map(({ process }) => usageOf(process.pid as number).cpu);

/** @param megabits that are relayed for each second of a round */
function rate(name: string, batch: number, megabits: number, ways: Ways): Benchmark {
  const from = ways.length === 1 ? "one end to the other" : "each end to the other";
  return {
    name,
    about: `key that is relayed from ${from} by one-time pads, ${batch / 8_192} KiB at a time, for each second of a core that the busiest KM between uses`,
    unit: "Mbit/s a core",
    steady: true,
    reach: { least: 400 },
    subject: async (seconds) => {
      const each = Math.ceil(Math.max(32, (megabits * 1e6 * seconds) / batch) / ways.length);
      const bits = each * batch;
      const warm = 32 * longest;
      // Half of a link's stock is of who lends from it; and some of it is bound ahead.
      return withRow(batch, 2.2 * ((bits + warm) / 8), ways, async (net) => {
        await relayed(net, ways, warm);
        const counted = async () => {
          const all = await Promise.all(ways.map(([source]) => net.km(source).status()));
          const sum = (what: "bits" | "pad_bits") =>
            all.reduce((bits, { relay }) => bits + (relay?.pairs[0]?.methods[0]?.[what] ?? 0), 0);
          return { bits: sum("bits"), pads: sum("pad_bits") };
        };
        const [first, before] = [await counted(), cpuOf(net)];
        const begun = performance.now();
        await relayed(net, ways, bits);
        const took = (performance.now() - begun) / 1_000;
        const used = cpuOf(net).map((cpu, i) => cpu - (before[i] as number));
        const [a = 0, b = 0, c = 0, d = 0] = used;
        const last = await counted();
        const pads = last.pads - first.pads;
        const came = last.bits - first.bits;
        const rateOf = (cpu: number) => came / 1e6 / cpu;
        const cost = (cpu: number) => (1_000 * cpu) / (came / 1e6);
        return {
          value: rateOf(Math.max(b, c)),
          cores: (a + b + c + d) / took,
          notes: {
            "CPU ms a Mbit: source": cost(a),
            first: cost(b),
            second: cost(c),
            destination: cost(d),
            "Mbit/s": came / 1e6 / took,
            "pad bits a bit and hop": pads / came / fibres.length,
          },
        };
      });
    },
  };
}

export const relayBenchmarks: readonly Benchmark[] = [
  rate("relay 3 hops", longest, 300, bothWays),
  // Of each extent half is used, and the other half sealed anew for it.
  rate("relay one way", longest, 300, oneWay),
  rate("relay 3 hops short", short, 90, bothWays),
  {
    name: "relay on demand",
    about: "enc_keys of 256 bits for which there is no pool, over three hops: p99",
    unit: "ms",
    reach: { most: 40 },
    subject: async (seconds) =>
      withRow(short, 4_000_000, oneWay, async (net) => {
        const client = new ApplicationClient(net.km("a"), net.km("a").application);
        try {
          const times: number[] = [];
          const begun = performance.now();
          while (times.length < 20 || performance.now() - begun < seconds * 1_000 + 1_000) {
            const asked = performance.now();
            const given = heldKeys(await client.encKeys("app-d"));
            const ms = performance.now() - asked;
            // What was relayed for one may do for the next: that one waits for nothing.
            if (given.length === 1) times.push(ms);
          }
          const sorted = times.slice(10).sort((x, y) => x - y);
          const { relay } = await net.km("a").status();
          const method = relay?.pairs[0]?.methods[0];
          return {
            value: percentile(sorted, 0.99),
            notes: {
              "p50 ms": percentile(sorted, 0.5),
              keys: sorted.length,
              "pad bits a bit and hop":
                (method?.pad_bits ?? 0) / (method?.bits ?? 1) / fibres.length,
            },
          };
        } finally {
          client.close();
        }
      }),
  },
];
