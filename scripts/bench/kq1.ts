/** What Kq-1 over TLS costs, beside a bare TLS socket that writes and reads as many bytes. */

import { hash, randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../../src/base/clock.ts";
import { ms } from "../../src/base/duration.ts";
import { silentLog } from "../../src/base/log.ts";
import { connectKm, type KmEndpoint } from "../../src/node/io/connect.ts";
import { Kq1Session, type Kq1SessionOptions } from "../../src/node/io/session.ts";
import { keyMemory, QkdKey } from "../../src/port/key.ts";
import { SupplyWriter } from "../../src/wire/kq1/supply.ts";
import {
  createAuthority,
  writeAuthority,
  writeIdentity,
} from "../../test/emulator/certificates.ts";
import { beside } from "./helper.ts";
import { type Benchmark, cpuMeter, percentile, type Reach, type Sample } from "./measure.ts";

export const never = new AbortController().signal;
/** Bytes of an answer of `km-process.ts`. */
const answerLength = 10 + '{"key_ID":"","response":"success"}'.length + 36;

export function sessionOptions(window: number): Kq1SessionOptions {
  return {
    where: "km",
    moduleId: "QKD-A-0001",
    matchingModuleId: "QKD-B-0001",
    window,
    answerTimeout: ms(60_000),
    clock: systemClock,
    log: silentLog,
  };
}

export function makeKey(bytes: number): QkdKey {
  const memory = keyMemory(bytes);
  randomBytes(bytes).copy(memory);
  const ref = { epoch: "00112233aabbccdd", number: 42 };
  const facts = { ref, bits: bytes * 8, qber: 0.03, generatedAt: Date.now() };
  const id = "84dec66a-1dda-8876-bf0f-2f4a0d1b3c5e";
  // Long keys are whole blocks, whose hash the module's link has brought; short ones are cut.
  const sha256 = bytes >= 4_096 ? hash("sha256", memory, "buffer") : undefined;
  return new QkdKey(id, facts, memory, bytes * 8, sha256);
}

/** Runs `body` against a KM in a process of its own. */
export async function withKm(
  body: (endpoint: KmEndpoint) => Promise<Sample>,
  how: readonly (string | number)[] = [],
): Promise<Sample> {
  const folder = mkdtempSync(join(tmpdir(), "qkd-bench-km-"));
  const ca = await createAuthority("bench CA");
  const km = await ca.issue({ commonName: "km", dns: ["km"], usage: "server" });
  const node = await ca.issue({ commonName: "node", dns: ["node"], usage: "client" });
  await writeAuthority(folder, "ca", ca);
  await writeIdentity(folder, "km", km);
  try {
    return await beside("km-process.ts", [folder, ...how], (_own, told) => {
      const { port } = told as { port: number };
      const tls = { ...node, ca: ca.cert };
      return body({ host: "127.0.0.1", port, serverName: "km", tls, connectTimeout: ms(5_000) });
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function session(bytes: number, window: number) {
  return (seconds: number) =>
    withKm(async (endpoint) => {
      const socket = await connectKm(endpoint, systemClock, never);
      const key = makeKey(bytes);
      const done = Promise.withResolvers<void>();
      let keys = 0;
      let begun = performance.now();
      let used = cpuMeter();
      const fill = () => {
        while (link.room > 0) link.supply(key);
      };
      const link: Kq1Session = new Kq1Session(socket, sessionOptions(window), {
        answered() {
          keys++;
          if (keys === 2 * window) {
            begun = performance.now();
            used = cpuMeter();
          }
          if (link.room >= window / 4) fill();
          if (performance.now() - begun >= seconds * 1_000) done.resolve();
        },
      });
      void link.ended.then((error) => error && done.reject(error));
      fill();
      await done.promise;
      const took = (performance.now() - begun) / 1_000;
      const cores = used();
      await link.close();
      return { value: (keys - 2 * window) / took, cores };
    });
}

/** The same bytes, made once, and as many bytes of answers, read and counted. */
function bare(bytes: number, window: number) {
  return (seconds: number) =>
    withKm(async (endpoint) => {
      const socket = await connectKm(endpoint, systemClock, never);
      const key = makeKey(bytes);
      const writer = new SupplyWriter("QKD-A-0001", "QKD-B-0001");
      const one = Buffer.alloc(writer.bound(key));
      const length = writer.write(one, 0, 1, key);
      const piece = Math.max(1, Math.min(window >> 2, 64));
      const frames = Buffer.concat(Array(piece).fill(one.subarray(0, length)));
      let answered = 0;
      let sent = 0;
      let rest = 0;
      let begun = 0;
      let used = cpuMeter();
      let keys = 0;
      const done = Promise.withResolvers<void>();
      const fill = () => {
        while (window - (sent - answered) >= piece) {
          sent += piece;
          socket.write(frames);
        }
      };
      socket.on("data", (chunk: Buffer) => {
        rest += chunk.length;
        const more = Math.floor(rest / answerLength);
        rest -= more * answerLength;
        answered += more;
        if (begun === 0 && answered >= 2 * window) {
          begun = performance.now();
          used = cpuMeter();
          keys = -answered;
        }
        fill();
        if (begun > 0 && performance.now() - begun >= seconds * 1_000) done.resolve();
      });
      fill();
      await done.promise;
      const took = (performance.now() - begun) / 1_000;
      const cores = used();
      socket.destroy();
      return { value: (keys + answered) / took, cores };
    });
}

/** Does `act` so often a second, until `seconds` are over. */
function steadily(perSecond: number, seconds: number, act: () => void): Promise<void> {
  const begun = performance.now();
  let done = 0;
  return new Promise((resolve) => {
    const timer = setInterval(() => {
      const now = performance.now();
      // As many as are due: a timer of 1 ms is late, and the keys do not wait for it.
      for (; done < ((now - begun) * perSecond) / 1_000; done++) act();
      if (now - begun < seconds * 1_000) return;
      clearInterval(timer);
      resolve();
    }, 1);
  });
}

/**
 * How long a key takes from its supply to the answer, at a steady rate, as a multiple of what as many
 * bytes take to a bare echo over the same TLS. Both are sent at the same moments: what else the machine
 * does falls on both.
 * @param part which percentile, 0 to 1
 */
function latency(bytes: number, perSecond: number, part: number) {
  const key = makeKey(bytes);
  const writer = new SupplyWriter("QKD-A-0001", "QKD-B-0001");
  const buffer = Buffer.alloc(writer.bound(key));
  const frame = buffer.subarray(0, writer.write(buffer, 0, 1, key));
  return (seconds: number) =>
    withKm((km) => withKm((echo) => bothWays(km, echo, seconds), ["echo", frame.length]));

  async function bothWays(km: KmEndpoint, echo: KmEndpoint, seconds: number): Promise<Sample> {
    const socket = await connectKm(km, systemClock, never);
    const bare = await connectKm(echo, systemClock, never);
    bare.setNoDelay(true);
    const took: number[] = [];
    const tookBare: number[] = [];
    const sent: number[] = [];
    const sentBare: number[] = [];
    const link = new Kq1Session(socket, sessionOptions(4_096), {
      answered: () => took.push(performance.now() - (sent.shift() as number)),
    });
    let rest = 0;
    bare.on("data", (chunk: Buffer) => {
      for (rest += chunk.length; rest >= answerLength; rest -= answerLength) {
        tookBare.push(performance.now() - (sentBare.shift() as number));
      }
    });
    let turn = 0;
    const supply = () => {
      sent.push(performance.now());
      link.supply(key);
    };
    const write = () => {
      sentBare.push(performance.now());
      bare.write(frame);
    };
    await steadily(perSecond, seconds, () => {
      // The one that comes second waits for the first: each is so half of the time.
      const order = turn++ % 2 === 0 ? [supply, write] : [write, supply];
      for (const send of order) send();
    });
    await link.close();
    bare.destroy();
    for (const all of [took, tookBare]) all.sort((a, b) => a - b);
    const [own, least] = [percentile(took, part), percentile(tookBare, part)];
    return { value: own / least, notes: { "key ms": own, "echo ms": least } };
  }
}

function kq1(name: string, bytes: number, window: number, more: Partial<Benchmark>): Benchmark {
  return {
    name: `kq1 ${name} w${window}`,
    about: `Key supply over TLS 1.3, keys of ${bytes} bytes, ${window} outstanding; baseline: the same bytes over a bare TLS socket`,
    unit: "keys/s",
    each: "key",
    subject: session(bytes, window),
    baseline: bare(bytes, window),
    ...more,
  };
}

const sizes = [
  ["32 B", 32],
  ["256 B", 256],
  ["4 KiB", 4_096],
  ["32 KiB", 32_768],
] as const;
/** The target of each size, at the window where it is asked for. */
const reaches: Readonly<Record<string, Reach>> = {
  "32 B w1024": { ratio: 0.5 },
  // 442 keys of 32 KiB a second are 115.8 Mbit/s; ten times that is asked for.
  "32 KiB w64": { ratio: 0.8, least: 4_425 },
};
const quick = ["32 B w1", "32 B w1024", "256 B w1024", "4 KiB w256", "32 KiB w64"];

export const kq1Benchmarks: readonly Benchmark[] = [
  ...sizes.flatMap(([name, bytes]) =>
    [1, 16, 64, 256, 1_024].map((window) => {
      const full = `${name} w${window}`;
      const reach = reaches[full];
      return kq1(name, bytes, window, {
        slow: !quick.includes(full),
        ...(reach !== undefined && { reach }),
      });
    }),
  ),
  ...([0.5, 0.99] as const).map((part) => ({
    name: `kq1 latency p${part * 100}`,
    about:
      "supply of a key of 32 KiB until its answer, at 58 Mbit/s (half the published record), as a " +
      "multiple of as many bytes to a bare echo over the same TLS, sent at the same moments",
    unit: "x bare",
    reach: { most: 1.5 },
    subject: latency(32_768, 221, part),
  })),
];
