import { once } from "node:events";
import { createServer, request, type Server, type ServerResponse } from "node:http";
import { type AddressInfo, connect, createServer as createTcp, type Socket } from "node:net";
import test from "ava";
import { Pace, paceMs } from "../../../../src/host/door/pace.ts";
import { Places, type PlacesOptions } from "../../../../src/host/door/places.ts";
import { sourceOf } from "../../../../src/host/door/source.ts";
import { Turns } from "../../../../src/host/door/turns.ts";
import { AnswerRoom } from "../../../../src/wire/kq1/answer-room.ts";
import { ManualClock, settle } from "../../../clock.ts";
import { eventually } from "../../../eventually.ts";

test("a source is an address, or of IPv6 its network of 64 bits", (t) => {
  const table: readonly (readonly [string | undefined, string])[] = [
    ["10.0.0.5", "10.0.0.5"],
    ["::ffff:10.0.0.5", "10.0.0.5"],
    ["2001:db8:0:12::1", "2001:db8:0:12::/64"],
    ["2001:DB8:0:12:ffff:1:2:3", "2001:db8:0:12::/64"],
    ["fe80::1%eth0", "fe80:0:0:0::/64"],
    ["::1", "0:0:0:0::/64"],
    [undefined, ""],
  ];
  for (const [address, source] of table) t.is(sourceOf(address), source);
});

test("who asks for much that is of no use waits, and nobody else does", async (t) => {
  const clock = new ManualClock();
  const pace = new Pace({ burst: 3, refillMs: 1_000 }, clock);
  for (let n = 0; n < 3; n++) {
    t.is(pace.hold("a"), undefined);
    pace.charge("a");
  }
  const held = pace.hold("a");
  t.truthy(held);
  t.is(pace.hold("b"), undefined);
  await clock.advance(paceMs);
  await held;
  t.is(pace.hold("a"), undefined);
});

test("a request whose client is gone when it may be looked at is not looked at", async (t) => {
  const clock = new ManualClock();
  const pace = new Pace({ burst: 1, refillMs: 1_000 }, clock);
  const came: ServerResponse[] = [];
  const server = createServer((_asked, response) => void came.push(response)).listen(0);
  await once(server, "listening");
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  const asked = [1, 2].map(() => request({ port }).on("error", () => {}));
  for (const one of asked) one.end();
  await eventually("both are there", () => came.length, { atLeast: 2 });
  const [gone, waits] = came as [ServerResponse, ServerResponse];
  t.true(pace.passes("a", gone));
  pace.charge("a");
  const passes = [gone, waits].map((response) => pace.passes("a", response));
  gone.socket?.destroy();
  await clock.advance(paceMs);
  t.deepEqual(await Promise.all(passes), [false, true]);
});

test("room for answers is bounded in all and for each KM, and comes back", (t) => {
  const room = new AnswerRoom(100, 60);
  const free = room.take("a", 40);
  t.truthy(free);
  t.is(room.take("a", 30), undefined);
  t.truthy(room.take("a", 20));
  t.truthy(room.take("b", 40));
  t.is(room.take("c", 1), undefined);
  free?.();
  t.is(room.bytes, 60);
  t.truthy(room.take("c", 40));
});

/** A server that gives places, and clients of it. */
async function withPlaces(
  change: Partial<PlacesOptions>,
  body: (bench: {
    places: Places;
    served: Socket[];
    from(address: string): Promise<Socket>;
  }) => Promise<void>,
): Promise<void> {
  const served: Socket[] = [];
  const places = new Places({
    strangers: 4,
    strangersOfOne: 3,
    kept: 3,
    keptOfOne: 2,
    rate: { burst: 100, refillMs: 1_000 },
    clock: new ManualClock(),
    ...change,
  });
  const server = createTcp((socket) => {
    socket.on("error", () => {});
    if (places.enter(socket)) served.push(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, "0.0.0.0", resolve));
  const { port } = server.address() as { port: number };
  const clients: Socket[] = [];
  try {
    await body({
      places,
      served,
      from: (localAddress) => {
        const before = served.length;
        const socket = connect({ port, host: "127.0.0.1", localAddress });
        clients.push(socket);
        socket.on("error", () => {}).resume();
        return new Promise((resolve) => {
          const done = () =>
            served.length > before || socket.closed ? resolve(socket) : undefined;
          socket.once("close", done);
          socket.once("connect", async () => {
            await eventually("served, or sent away", () => served.length > before || socket.closed);
            resolve(socket);
          });
        });
      },
    });
  } finally {
    for (const socket of [...clients, ...served]) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  }
}

test("connections that only stand there make way, the oldest first, those of the same source before others", async (t) => {
  await withPlaces({}, async ({ places, served, from }) => {
    const other = await from("127.0.0.2");
    for (let n = 0; n < 50; n++) await from("127.0.0.1");
    t.is(places.size, 4);
    t.false(other.destroyed);
    t.deepEqual(
      served.filter(({ destroyed }) => !destroyed),
      [served[0], ...served.slice(-3)],
    );
    await from("127.0.0.3");
    t.true(served[0]?.destroyed);
    t.is(places.size, 4);
  });
});

test("who has shown that it is wanted keeps its place, and has no more than its share of them", async (t) => {
  await withPlaces({}, async ({ places, served, from }) => {
    const kept: boolean[] = [];
    for (const who of ["a", "a", "a", "b", "c"]) {
      await from("127.0.0.1");
      kept.push(places.keep(served.at(-1) as Socket, who));
    }
    t.deepEqual(kept, [true, true, false, true, false]);
    for (let n = 0; n < 50; n++) await from("127.0.0.1");
    t.deepEqual(
      served.slice(0, 4).map(({ destroyed }) => destroyed),
      [false, false, true, false],
    );
    served[0]?.destroy();
    await eventually("places are free", () => places.size <= 5);
    await from("127.0.0.1");
    t.true(places.keep(served.at(-1) as Socket, "a"));
  });
});

test("a source that opens connections too fast is cut off, and others are not", async (t) => {
  await withPlaces({ rate: { burst: 3, refillMs: 1_000 } }, async ({ served, from }) => {
    for (let n = 0; n < 10; n++) await from("127.0.0.1");
    t.is(served.length, 3);
    await from("127.0.0.2");
    t.is(served.length, 4);
  });
});

test("a source whose connections were of use may open others", async (t) => {
  await withPlaces({ rate: { burst: 3, refillMs: 1_000 } }, async ({ places, served, from }) => {
    for (let n = 0; n < 10; n++) {
      await from("127.0.0.1");
      for (let i = 0; i < 3; i++) places.wanted(served.at(-1) as Socket);
    }
    t.is(served.length, 10);
    for (let n = 0; n < 10; n++) await from("127.0.0.1");
    t.is(served.length, 13);
  });
});

/** An HTTP server whose answers a test writes, and what it was asked. */
async function withTurns(
  body: (bench: { port: number; asked: string[]; gone: string[] }) => Promise<void>,
): Promise<void> {
  const turns = new Turns();
  const asked: string[] = [];
  const gone: string[] = [];
  const server: Server = createServer((incoming, response) => {
    const { url = "" } = incoming;
    void turns.take(incoming.socket, response).then((mine) => {
      if (!mine) return gone.push(url);
      asked.push(url);
      if (url !== "/held") response.end(url);
      return undefined;
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  try {
    await body({ port: (server.address() as { port: number }).port, asked, gone });
  } finally {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
}

test("requests of one connection are looked at one after the other", async (t) => {
  await withTurns(async ({ port, asked, gone }) => {
    const socket = connect(port, "127.0.0.1").on("error", () => {});
    const line = (path: string) => `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`;
    socket.resume().write(line("/1") + line("/2") + line("/held") + line("/4"));
    await eventually("asked", () => asked.length, { atLeast: 3 });
    await settle();
    t.deepEqual(asked, ["/1", "/2", "/held"]);
    // Another connection does not wait for it.
    await new Promise((resolve) => request({ port, path: "/other" }, resolve).end());
    t.deepEqual(asked, ["/1", "/2", "/held", "/other"]);
    socket.destroy();
    await eventually("one is gone", () => gone.length, { atLeast: 1 });
    t.deepEqual(gone, ["/4"]);
  });
});
