/** A controller with a thousand key managers attached over TLS, half of them over gRPC: what it costs while nothing happens. */
import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { eventually } from "../../test/eventually.ts";
import { ControllerProcess, type TestKm } from "../../test/rig/controller-process.ts";
import type { Benchmark, Sample } from "./measure.ts";
import { launcher } from "./production.ts";

const count = 1_000;
/** Links of each to the next ones: some 2,000 of all. */
const around = 2;
/** Ticks of a processor in /proc, a second. */
const ticks = 100;
/** All have come, and what that left behind is given back, s. */
const settleS = 75;

interface Used {
  readonly seconds: number;
  readonly mb: number;
  readonly peakMb: number;
}

function used(pid: number): Used {
  const [, rest = ""] = readFileSync(`/proc/${pid}/stat`, "latin1").split(") ");
  const fields = rest.split(" ");
  const kb = (name: string) => {
    const text = readFileSync(`/proc/${pid}/status`, "latin1");
    return Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(text)?.[1] ?? 0);
  };
  const seconds = (Number(fields[11]) + Number(fields[12])) / ticks;
  return { seconds, mb: kb("VmRSS") / 1_024, peakMb: kb("VmHWM") / 1_024 };
}

const sleep = (s: number) => new Promise((resolve) => setTimeout(resolve, s * 1_000));

async function attached(seconds: number): Promise<{ readonly cores: number } & Used> {
  const folder = await mkdtemp(`${tmpdir()}/qkd-bench-controller-`);
  const program = launcher("qkd-controller");
  const tables = "[access]\nopen_to_kms = true\n";
  const controller = await ControllerProcess.make({ folder, tables, program });
  const kms: TestKm[] = [];
  try {
    await controller.start(AbortSignal.timeout(30_000));
    const name = (i: number) => `km-${i % count}`;
    for (let i = 0; i < count; i++) {
      const km = await controller.km(name(i), i % 2 === 0 ? "tcp" : "grpc");
      for (let j = 1; j <= around; j++) {
        const peer = name(i + j);
        km.links.set(peer, { peer, up: true, stock: 10_000_000, rate: 100_000, alarms: [] });
      }
      kms.push(km);
    }
    const there = async () =>
      (await controller.status()).nodes.filter((one) => one.attached).length;
    await eventually("all are attached", there, { is: count, deadlineMs: 120_000, pauseMs: 1_000 });
    await sleep(settleS);
    const pid = controller.process.pid ?? 0;
    const before = used(pid);
    await sleep(Math.max(seconds, 20));
    const after = used(pid);
    const cores = (after.seconds - before.seconds) / Math.max(seconds, 20);
    return { ...after, cores };
  } finally {
    await Promise.all(kms.map((km) => km.stop()));
    await controller.process.stop();
    await rm(folder, { recursive: true });
  }
}

/** Both rows are of one run. */
let last: Promise<Awaited<ReturnType<typeof attached>>> | undefined;

async function row(
  seconds: number,
  value: (one: Awaited<ReturnType<typeof attached>>) => number,
): Promise<Sample> {
  last ??= attached(seconds);
  const one = await last;
  const notes = { "MB now": one.mb, "MB at the most": one.peakMb };
  return { value: value(one), notes };
}

export const manyKmsBenchmarks: readonly Benchmark[] = [
  {
    name: "controller with 1,000 KMs, processor",
    about: "a report of each every 5 s, over TLS, half of them over gRPC",
    unit: "cores",
    reach: { most: 1 },
    steady: true,
    slow: true,
    subject: (seconds) => row(seconds, ({ cores }) => cores),
  },
  {
    name: "controller with 1,000 KMs, memory",
    about: "resident, a minute after all of them came",
    unit: "MB",
    reach: { most: 300 },
    steady: true,
    slow: true,
    subject: (seconds) => row(seconds, ({ mb }) => mb),
  },
];
