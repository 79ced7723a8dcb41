/** A process with many nodes in it; its parent tells it what to do. */
import { subscribe } from "node:diagnostics_channel";
import type { Socket } from "node:net";
import { systemClock } from "../../src/base/clock.ts";
import { silentLog } from "../../src/base/log.ts";
import { random } from "../../test/random.ts";
import { FleetNode, type NodeOptions } from "./node.ts";

export type Order =
  | {
      readonly do: "open";
      readonly ids: readonly string[];
      readonly folder: string;
      readonly options: NodeOptions;
      readonly seed: number;
    }
  | { readonly do: "start"; readonly rampMs: number }
  /** Alarms come and go, each node's so often on average; 0: no more. */
  | { readonly do: "alarms"; readonly everyMs: number }
  /** Every node raises one now. */
  | { readonly do: "storm" }
  | { readonly do: "collect" }
  | { readonly do: "stop" };

/** What the process has done so far. */
export interface Tally {
  /** Attempts to connect. */
  readonly attempts: number;
  /** Bytes of connections, of TCP's payload. */
  readonly sent: number;
  readonly received: number;
  readonly raised: number;
  /** Bytes. */
  readonly rss: number;
  /** s */
  readonly cpu: number;
}

const sockets = new Set<Socket>();
let attempts = 0;
let [sent, received, raised] = [0, 0, 0];
subscribe("net.client.socket", (message) => {
  const { socket } = message as { socket: Socket };
  attempts++;
  sockets.add(socket);
  socket.once("close", () => {
    sockets.delete(socket);
    sent += socket.bytesWritten;
    received += socket.bytesRead;
  });
});

function tally(): Tally {
  const open = [...sockets];
  const { user, system } = process.cpuUsage();
  return {
    attempts,
    sent: open.reduce((sum, { bytesWritten }) => sum + bytesWritten, sent),
    received: open.reduce((sum, { bytesRead }) => sum + bytesRead, received),
    raised,
    rss: process.memoryUsage.rss(),
    cpu: (user + system) / 1e6,
  };
}

let nodes: FleetNode[] = [];
let draw = random(1);
let alarmEvery = 0;

async function open(order: Extract<Order, { do: "open" }>): Promise<void> {
  // The client's code counts once, whatever the number of nodes.
  await import("mqtt");
  draw = random(order.seed);
  const parts = { clock: systemClock, log: silentLog };
  const make = (id: string, i: number) =>
    FleetNode.open(id, order.seed * 100_000 + i, order.folder, order.options, parts);
  // A few at a time: each writes to the disk.
  for (let at = 0; at < order.ids.length; at += 16) {
    const some = order.ids.slice(at, at + 16);
    nodes.push(...(await Promise.all(some.map((id, i) => make(id, at + i)))));
  }
}

function alarm(node: FleetNode): void {
  if (alarmEvery === 0) return;
  const wait = -Math.log(1 - draw()) * alarmEvery;
  setTimeout(() => {
    if (alarmEvery === 0) return;
    node.raise();
    raised++;
    setTimeout(() => node.clear(), 2_000);
    alarm(node);
  }, wait);
}

async function carryOut(order: Order): Promise<void> {
  switch (order.do) {
    case "open":
      return open(order);
    case "start":
      nodes.forEach((node, i) => {
        setTimeout(() => node.start(), (i / nodes.length) * order.rampMs);
      });
      return;
    case "alarms": {
      const idle = alarmEvery === 0;
      alarmEvery = order.everyMs;
      if (idle) for (const node of nodes) alarm(node);
      return;
    }
    case "storm":
      for (const node of nodes) node.raise();
      raised += nodes.length;
      return;
    case "collect":
      globalThis.gc?.();
      return;
    case "stop":
      await Promise.all(nodes.map((node) => node.stop()));
      nodes = [];
      return;
  }
}

process.on("message", (order: Order) => {
  carryOut(order).then(
    () => process.send?.(tally()),
    (error: Error) => {
      process.stderr.write(`fleet: ${error.stack}\n`);
      process.exit(1);
    },
  );
});
process.on("disconnect", () => process.exit(0));
