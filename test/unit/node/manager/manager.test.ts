import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import test from "ava";
import { systemClock } from "../../../../src/base/clock.ts";
import { ms } from "../../../../src/base/duration.ts";
import { Fault } from "../../../../src/base/errors.ts";
import { silentLog } from "../../../../src/base/log.ts";
import { starting } from "../../../../src/node/alarms/verdict.ts";
import { Manager, type ManagerOptions } from "../../../../src/node/manager/manager.ts";
import type { ModuleView } from "../../../../src/node/model/manager.ts";
import type { Outbox } from "../../../../src/ops/outbox/outbox.ts";
import { ManualClock } from "../../../clock.ts";
import { Broker } from "../../../emulator/broker.ts";
import { eventually } from "../../../eventually.ts";
import { patience } from "../../../patience.ts";
import { noCredentials } from "../../../rig/manager-bench.ts";
import { memoryOutbox } from "../../../rig/outbox.ts";

// One for each manager: an outbox has one owner.
const outboxes: Outbox[] = [];
test.before(async () => {
  outboxes.push(...(await Promise.all(Array.from({ length: 20 }, memoryOutbox))));
});

const never = new AbortController().signal;

function options(port: number, more: Partial<ManagerOptions> = {}): ManagerOptions {
  return {
    url: `mqtt://127.0.0.1:${port}`,
    base: "qkdn/v1",
    protocol: 4,
    username: undefined,
    credentials: () => noCredentials,
    telemetryInterval: ms(1_000),
    nodeId: "node-a",
    boot: 3,
    incarnation: "00112233aabbccdd",
    softwareVersion: "1.2.3",
    configurationDigest: "0123456789abcdef",
    outbox: outboxes.pop() as Outbox,
    clock: systemClock,
    log: silentLog,
    ...more,
  };
}

const module: ModuleView = {
  name: "alice",
  describe: () => ({ name: "alice", driver: "qmlp", where: "/dev/x", km: "main" }),
  state: () => ({ module: "DOWN", link: "OFF", km: "DOWN", reason: "unplugged", since: 0 }),
  takeTelemetryWindow: () => ({ qber: { last: 0.03, count: 1, age_ms: 0, quality: "good" } }),
  peekTelemetryWindow: () => ({}),
  supply: () => ({ supplied: 7, refused: { busy: 1 } }),
  health: () => starting(0),
  keptCounts: () => ({ "withheld.qber": 3 }),
};

async function withBroker(body: (broker: Broker) => Promise<void>): Promise<void> {
  const broker = new Broker();
  await broker.listen();
  try {
    await body(broker);
  } finally {
    await broker.close();
  }
}

const topic = (name: string) => `qkdn/v1/node-a/${name}`;

async function published(broker: Broker, name: string, says: RegExp | string) {
  const message = await broker.published(
    (m) => m.topic === topic(name) && new RegExp(says).test(m.payload.toString()),
    patience(30_000),
  );
  return { ...message, json: JSON.parse(message.payload.toString()) };
}

test("birth, inventory and states are retained; goodbye replaces the birth", async (t) => {
  await withBroker(async (broker) => {
    const manager = new Manager(options(broker.port));
    manager.show({ modules: [module] });
    const session = await manager.connect(never);
    const birth = await published(broker, "status", "online");
    t.like(birth, { qos: 1, retain: true });
    t.like(birth.json, { status: "online", node: "node-a", boot: 3, version: "1.2.3" });
    const inventory = await published(broker, "inventory", "");
    t.true(inventory.retain);
    t.is(inventory.json.modules[0].where, "/dev/x");
    const state = await published(broker, "module/alice/state", "");
    t.true(state.retain);
    t.deepEqual(state.json, {
      module: "DOWN",
      link: "OFF",
      km: "DOWN",
      reason: "unplugged",
      since: "1970-01-01T00:00:00.000Z",
      health: {
        level: "waiting",
        verdict: "starting",
        ready: false,
        text: "Starting",
        since: "1970-01-01T00:00:00.000Z",
      },
    });
    await session.close();
    manager.stop();
    t.is((await published(broker, "status", "offline")).json.reason, "stopped");
    t.is((await published(broker, "kq1/alice", "")).json.supplied, 7, "the last counters too");
  });
});

test("a node that is lost is told offline by its will", async (t) => {
  await withBroker(async (broker) => {
    const manager = new Manager(options(broker.port));
    manager.show({ modules: [] });
    const session = await manager.connect(never);
    await published(broker, "status", "online");
    broker.dropClients();
    t.true((await session.ended) instanceof Fault);
    const will = await published(broker, "status", "offline");
    t.like(will, { qos: 1, retain: true });
    t.is(will.json.reason, "connection lost");
    manager.stop();
  });
});

test("events wait for a broker, go out in order, and each once where nothing is lost", async (t) => {
  await withBroker(async (broker) => {
    const manager = new Manager(options(broker.port));
    manager.show({ modules: [] });
    for (let n = 0; n < 30; n++) manager.event({ type: "test", at: 0, facts: { n } });
    const session = await manager.connect(never);
    await published(broker, "event", '"n":29');
    const events = broker.messages.filter((m) => m.topic === topic("event"));
    const ids = events.map((m) => JSON.parse(m.payload.toString()).event_id);
    t.deepEqual(
      ids,
      Array.from({ length: 30 }, (_, n) => `node-a-3-00112233aabbccdd-${n + 1}`),
    );
    await session.close();
    manager.stop();
  });
});

/** A broker that accepts a client and then does what the test wants with each packet. */
async function withRaw(
  onPacket: (socket: Socket, type: number, packet: Buffer) => void,
  body: (port: number) => Promise<void>,
): Promise<void> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    let rest = Buffer.alloc(0);
    socket.on("error", () => {});
    socket.on("data", (chunk: Buffer) => {
      rest = Buffer.concat([rest, chunk]);
      for (;;) {
        let length = 0;
        let at = 1;
        for (let shift = 0; at < rest.length; shift += 7) {
          const byte = rest[at++] as number;
          length |= (byte & 127) << shift;
          if (byte < 128) break;
        }
        if (rest.length < 2 || rest.length < at + length) return;
        onPacket(socket, (rest[0] as number) >> 4, rest.subarray(at, at + length));
        rest = rest.subarray(at + length);
      }
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  try {
    await body((server.address() as { port: number }).port);
  } finally {
    for (const socket of sockets) socket.destroy();
    server.close();
  }
}

const connack = (code: number) => Buffer.from([0x20, 2, 0, code]);

test("an event that the broker did not acknowledge comes again under the same event_id", async (t) => {
  const seen: string[] = [];
  let connections = 0;
  await withRaw(
    (socket, type, packet) => {
      if (type === 1) {
        connections++;
        socket.write(connack(0));
      }
      if (type !== 3) return;
      const topicLength = packet.readUInt16BE(0);
      const name = packet.toString("utf8", 2, 2 + topicLength);
      const id = packet.subarray(2 + topicLength, 4 + topicLength);
      if (name.endsWith("/event")) {
        seen.push(JSON.parse(packet.toString("utf8", 4 + topicLength)).event_id);
        if (connections === 1) return socket.destroy();
      }
      return socket.write(Buffer.concat([Buffer.from([0x40, 2]), id]));
    },
    async (port) => {
      const manager = new Manager(options(port));
      manager.show({ modules: [] });
      manager.event({ type: "first", at: 0, facts: {} });
      const first = await manager.connect(never);
      await first.ended;
      const second = await manager.connect(never);
      await second.close();
      manager.stop();
      const id = "node-a-3-00112233aabbccdd-1";
      t.deepEqual(seen, [id, id]);
    },
  );
});

test("a broker that refuses is a fault that says why", async (t) => {
  for (const [code, why] of [
    [4, /wrong user name or password/],
    [5, /not authorized/],
  ] as const) {
    await withRaw(
      (socket, type) => type === 1 && socket.end(connack(code)),
      async (port) => {
        const manager = new Manager(options(port));
        const error = await t.throwsAsync(manager.connect(never), { instanceOf: Fault });
        t.regex(error?.message ?? "", why);
      },
    );
  }
  const nobody = new Manager(options(1));
  await t.throwsAsync(nobody.connect(never), { instanceOf: Fault, message: /ECONNREFUSED/ });
});

test("a broker that says nothing is given up in time, and stopping does not wait for it", async (t) => {
  const reached = Promise.withResolvers<void>();
  await withRaw(
    () => reached.resolve(),
    async (port) => {
      const clock = new ManualClock();
      const manager = new Manager(options(port, { clock }));
      const attempt = t.throwsAsync(manager.connect(never), {
        instanceOf: Fault,
        message: /no answer/,
      });
      await reached.promise;
      await clock.advance(10_000);
      await attempt;
    },
  );
});

test("a broker that hangs after the birth does not keep the node from stopping", async (t) => {
  await withRaw(
    (socket, type) => type === 1 && socket.write(connack(0)),
    async (port) => {
      const manager = new Manager(options(port));
      manager.show({ modules: [module] });
      const session = await manager.connect(never);
      let closed = false;
      void session.close().then(() => {
        closed = true;
      });
      t.true(await eventually("the session is closed", () => closed));
      manager.stop();
    },
  );
});

test("telemetry is not kept for a broker that is away, and the drops are told", async (t) => {
  await withBroker(async (broker) => {
    const clock = new ManualClock();
    const manager = new Manager(options(broker.port, { clock }));
    manager.show({ modules: [module] });
    await clock.advance(5_000);
    const session = await manager.connect(never);
    await clock.advance(1_000);
    const { json } = await published(broker, "kq1/alice", "");
    t.is(json.dropped_telemetry, 10);
    t.is(broker.messages.filter((m) => m.topic === topic("kq1/alice")).length, 1);
    manager.stop();
    await session.close();
  });
});
