/** Keys for many applications: what a key costs with a thousand pairs, and the memory of a thousand connections. */

import { writeIdentity } from "../../test/emulator/certificates.ts";
import type { KmPair } from "../../test/rig/km-pair.ts";
import type { Asker } from "./application-load.ts";
import { askedFor, askerOf, load, notes, unlimited, withStock } from "./applications.ts";
import type { Benchmark } from "./measure.ts";

/** Applications of each end: each of one may share keys with each of the other. */
const ofEnd = 32;
const connections = 64;

const names = (end: string) => Array.from({ length: ofEnd }, (_, i) => `many-${end}-${i}`);
const masters = names("a");
const slaves = names("b");

/** Tables of their applications, TOML. */
function tables(): string {
  const others = JSON.stringify(slaves);
  return [
    ...masters.map((name) => `[sae.${name}]\nkm = "km-alice"\nwith = ${others}\n${unlimited}`),
    ...slaves.map((name) => `[sae.${name}]\nkm = "km-bob"\n${unlimited}`),
  ].join("\n");
}

/** The masters, with certificates. */
async function askers({ alice, authority }: KmPair, folder: string): Promise<Asker[]> {
  const made: Asker[] = [];
  for (const sae of masters) {
    const about = { commonName: sae, dns: [sae], usage: "client", days: 90 } as const;
    const files = await writeIdentity(folder, sae, await authority.issue(about));
    made.push({ ...askerOf(alice), ...files, sae });
  }
  return made;
}

/** Bytes that so many keys a second take of one owner's stock, and as much of the other's. */
const stockOf = (seconds: number) => 2 * 400_000 * (askedFor(seconds) + 1) + 4_000_000;

/** Processor of both key managers, µs a key. */
function cost(isMany: boolean) {
  return (seconds: number) =>
    withStock(
      stockOf(seconds),
      async (pair, folder) => {
        const [first, ...rest] = await askers(pair, folder);
        if (first === undefined) throw new Error("no applications");
        const who = isMany
          ? ({ masters: [first, ...rest], slaves: slaves as [string, ...string[]] } as const)
          : ({ masters: [first], slaves: [slaves[0] as string] } as const);
        const order = { ...who, connections, number: 1 };
        const ran = await load(pair, { ...order, seconds });
        const { "µs a key": value, ...more } = notes(ran);
        return { value, notes: { "keys/s": ran.keys / ran.seconds, ...more } };
      },
      { tables: tables() },
    );
}

/** Connections that stay, each of which asks about once a second. */
const many = 1_000;

export const manyApplicationBenchmarks: readonly Benchmark[] = [
  {
    name: "014 1,000 pairs",
    about: "CPU of both key managers with 1,024 pairs of applications; the baseline is one pair",
    unit: "µs/key",
    reach: { mostRatio: 1.3 },
    slow: true,
    subject: cost(true),
    baseline: cost(false),
  },
  {
    name: "014 1,000 connections",
    about:
      "memory of the production build with 1,000 mutual TLS connections, each asking once a second",
    unit: "MB",
    reach: { most: 250 },
    slow: true,
    steady: true,
    subject: (seconds) =>
      withStock(
        stockOf(seconds),
        async (pair, folder) => {
          const [first, ...rest] = await askers(pair, folder);
          if (first === undefined) throw new Error("no applications");
          const order = {
            masters: [first, ...rest] as const,
            slaves: slaves as [string, ...string[]],
            number: 1,
            connections: many,
            rate: many,
          };
          const ran = await load(pair, { ...order, seconds: Math.max(5, seconds), warmSeconds: 0 });
          const { "RSS MB": value, ...more } = notes(ran);
          return { value, notes: { "keys/s": ran.keys / ran.seconds, ...more } };
        },
        { tables: tables() },
      ),
  },
];
