/** The course of a run: connect, steady phase, storm, restart of the broker, end. */
import { randomBytes } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DebianBroker } from "../../test/rig/brokers.ts";
import { Crew } from "./crew.ts";
import { type Spread, spread } from "./figures.ts";
import { Monitor } from "./monitor.ts";
import type { NodeOptions } from "./node.ts";
import type { FleetOptions } from "./options.ts";

export interface Connecting {
  readonly online: number;
  /** From the first start, or the broker's return, to each node's birth message, ms. */
  readonly ms: Spread;
  readonly attempts: number;
}

export interface FleetResult {
  readonly nodes: number;
  readonly broker: string;
  readonly protocol: 4 | 5;
  readonly connecting: Connecting;
  readonly steady: {
    readonly seconds: number;
    readonly messagesPerSecond: number;
    readonly alarms: Spread;
    /** Of one node, of TCP's payload in both directions, a day at this rate. */
    readonly bytesPerNodeDay: number;
    /** Of one process core, in part. */
    readonly cpu: number;
    readonly brokerCpu: number;
  };
  /** Every node raises an alarm in the same moment. */
  readonly storm: Spread;
  /** Ended without warning, and started again after two seconds; alarms were raised meanwhile. */
  readonly restart: (Connecting & { readonly alarms: Spread }) | undefined;
  readonly retainedPerNode: number;
  readonly bytesPerNode: number;
  readonly brokerBytesPerNode: number;
  readonly raised: number;
  /** Alarms that were raised and never came. */
  readonly lost: number;
  /** Alarms that the broker took while the monitor had not found it again. */
  readonly unheard: number;
  readonly missingEvents: number;
  readonly repeats: number;
  readonly offlineAtEnd: number;
}

/**
 * Whether what was asked for was reached.
 * @param limitMs for 99 % of the alarms of the steady phase
 */
export function held(
  { nodes, connecting, steady, restart, ...rest }: FleetResult,
  limitMs = 1_000,
): boolean {
  return (
    connecting.online === nodes &&
    (restart === undefined || restart.online === nodes) &&
    rest.lost === 0 &&
    rest.missingEvents === 0 &&
    steady.alarms.p99 <= limitMs
  );
}

const wait = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

/** @returns false if it did not come about in time */
async function until(condition: () => boolean, limitMs: number): Promise<boolean> {
  const end = performance.now() + limitMs;
  while (!condition()) {
    if (performance.now() > end) return false;
    await wait(50);
  }
  return true;
}

/** Longest that all nodes may take to be online, ms; they try again within 30 s. */
const patience = 120_000;
/** What was raised has arrived within this time, ms. */
const settling = 30_000;
const downMs = 2_000;
/** Alarms of the storm and of the time without a broker, of each node. */
const uncleared = 2;

export async function runFleet(
  options: FleetOptions,
  say: (line: string) => void,
): Promise<FleetResult> {
  const made = mkdtempSync(join(tmpdir(), "qkd-fleet-"));
  const own =
    "start" in options.broker
      ? await DebianBroker.start(options.broker.start, join(made, "broker"))
      : undefined;
  const crew = new Crew(options.processes);
  try {
    return await course(options, own, crew, made, say);
  } finally {
    await crew.close();
    await own?.stop();
    rmSync(made, { recursive: true, force: true });
  }
}

async function course(
  options: FleetOptions,
  own: DebianBroker | undefined,
  crew: Crew,
  made: string,
  say: (line: string) => void,
): Promise<FleetResult> {
  const { nodes, processes, seconds } = options;
  const url = own?.url ?? (options.broker as { url: string }).url;
  const run = randomBytes(3).toString("hex");
  const settings: NodeOptions = {
    url,
    protocol: options.protocol ?? own?.protocol ?? 5,
    // Beside whatever else is at that broker.
    base: `qkdn/fleet-${run}`,
    telemetrySeconds: options.telemetrySeconds,
    access: options.access,
  };
  const folder = join(options.folder ?? made, `fleet-${run}`);
  mkdirSync(folder, { recursive: true });
  const ids = Array.from({ length: nodes }, (_, i) => `node-${run}-${i}`);
  const monitor = await Monitor.connect(settings);

  const empty = await crew.all(() => ({ do: "collect" }));
  await crew.all((i) => ({
    do: "open",
    ids: ids.filter((_, n) => n % processes === i),
    folder,
    options: settings,
    seed: i + 1,
  }));
  say(`${nodes} nodes in ${processes} process(es), MQTT ${settings.protocol} at ${url}`);
  const brokerBefore = own?.load();

  const connect = async (begun: number, before: number): Promise<Connecting> => {
    await until(() => monitor.online.size === nodes, patience);
    const ms = spread(monitor.onlineAt.map((at) => Math.round(at - begun)));
    const { attempts } = await crew.all(() => ({ do: "collect" }));
    return { online: monitor.online.size, ms, attempts: attempts - before };
  };
  const begun = performance.now();
  await crew.all(() => ({ do: "start", rampMs: options.ramp * 1_000 }));
  const connecting = await connect(begun, 0);
  say(`${connecting.online} online after ${connecting.ms.max} ms`);

  // Births and first alarms have come.
  await wait(2_000);
  const [first, seen, brokerFirst] = [
    await crew.all(() => ({ do: "collect" })),
    monitor.traffic,
    own?.load(),
  ];
  monitor.take();
  await crew.all(() => ({ do: "alarms", everyMs: options.alarmSeconds * 1_000 }));
  const steadyBegun = performance.now();
  await wait(seconds * 1_000);
  const elapsed = (performance.now() - steadyBegun) / 1_000;
  const [last, traffic, brokerLast] = [
    await crew.all(() => ({ do: "alarms", everyMs: 0 })),
    monitor.traffic,
    own?.load(),
  ];
  await until(() => monitor.raised >= last.raised, settling);
  const steady = spread(monitor.take());
  const bytes = last.sent + last.received - first.sent - first.received;
  say(`steady phase of ${Math.round(elapsed)} s is over`);

  // The last ones are cleared by now.
  await wait(3_000);
  const retained = monitor.retained.size;
  monitor.take();
  const stormed = await crew.all(() => ({ do: "storm" }));
  await until(() => monitor.raised >= stormed.raised, settling);
  const storm = spread(monitor.take());
  say(`storm of ${storm.count} alarms is over`);

  let restart: FleetResult["restart"];
  let { raised } = stormed;
  let unheard = 0;
  if (own !== undefined && options.restart) {
    await own.stop("SIGKILL");
    const { attempts } = await crew.all(() => ({ do: "collect" }));
    raised = (await crew.all(() => ({ do: "storm" }))).raised;
    await wait(downMs);
    monitor.forget();
    await own.start();
    const back = await connect(performance.now(), attempts);
    await until(() => monitor.raised + monitor.unheard(uncleared) >= raised, settling);
    unheard = monitor.unheard(uncleared);
    restart = { ...back, alarms: spread(monitor.take()) };
    say(`broker was restarted: ${back.online} online again after ${back.ms.max} ms`);
  }
  const full = own?.load();
  const lost = raised - monitor.raised - unheard;
  await crew.all(() => ({ do: "stop" }));
  rmSync(folder, { recursive: true, force: true });
  await until(() => monitor.online.size === 0, 10_000);
  const { missing, repeats } = monitor;
  const offlineAtEnd = nodes - monitor.online.size;
  await monitor.clear();
  await monitor.close();
  return {
    nodes,
    broker: own?.name ?? url,
    protocol: settings.protocol,
    connecting,
    steady: {
      seconds: elapsed,
      messagesPerSecond: (traffic.messages - seen.messages) / elapsed,
      alarms: steady,
      bytesPerNodeDay: (bytes / nodes / elapsed) * 86_400,
      cpu: (last.cpu - first.cpu) / elapsed,
      brokerCpu: ((brokerLast?.cpu ?? 0) - (brokerFirst?.cpu ?? 0)) / elapsed,
    },
    storm,
    restart,
    retainedPerNode: retained / nodes,
    bytesPerNode: (first.rss - empty.rss) / nodes,
    brokerBytesPerNode: ((full?.rss ?? 0) - (brokerBefore?.rss ?? 0)) / nodes,
    raised,
    lost,
    unheard,
    missingEvents: missing,
    repeats,
    offlineAtEnd,
  };
}
