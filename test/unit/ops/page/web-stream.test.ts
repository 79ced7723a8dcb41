import { EventEmitter } from "node:events";
import { get, type ServerResponse } from "node:http";
import { connect, type Socket } from "node:net";
import test from "ava";
import { mostViewers, Stream } from "../../../../src/ops/page/stream.ts";
import { ManualClock } from "../../../clock.ts";
import { eventually } from "../../../eventually.ts";
import { ask, serving } from "../../../rig/web-bench.ts";

/** Opens a stream by hand. */

function watch(url: string): Promise<{ socket: Socket; text: () => string }> {
  return new Promise((resolve, reject) => {
    const request = get(`${url}api/stream`, (response) => {
      let text = "";
      response.on("error", () => {});
      response.on("data", (chunk) => {
        text += chunk;
        resolve({ socket: response.socket, text: () => text });
      });
    });
    request.on("error", reject);
  });
}

function states(text: string): { alarms: { name: string }[]; events: { sequence: number }[] }[] {
  return [...text.matchAll(/^data: (.+)$/gm)].map((match) => JSON.parse(match[1] as string));
}

test("a stream tells all at first, then once a second, and at once when something happens", async (t) => {
  await serving(async ({ url, clock, node, server }) => {
    const { text, socket } = await watch(url);
    t.regex(text(), /^retry: 1000\n\nevent: state\ndata: /);
    await clock.advance(1_000);
    await eventually("states in the stream", () => states(text()).length, { is: 2 });
    node.book.signal(
      "qber_high",
      "alice",
      { level: "critical", value: 0.12 },
      { now: clock.now(), wall: clock.wall() },
    );
    for (let i = 0; i < 100; i++) server.pushUpdate();
    await clock.advance(200);
    await eventually("states in the stream", () => states(text()).length, { is: 3 });
    t.is(states(text())[2]?.alarms[0]?.name, "qber_high");
    t.is(states(text())[2]?.events.length, 1);
    await clock.advance(3_000);
    await eventually("states in the stream", () => states(text()).length, { is: 6 });
    t.is(states(text())[5]?.events.length, 0);
    socket.destroy();
  });
});

/** A browser at the end of a slow line: how much it has not read is set by the test. */
class SlowResponse extends EventEmitter {
  writableLength = 0;
  readonly socket = null;
  writeHead(): void {}
  write(): void {}
  destroy(): void {
    this.emit("close");
  }
}

test("a long first message is no reason to drop who is still being sent it; what comes after it is", async (t) => {
  const clock = new ManualClock();
  const long = { text: "x".repeat(1_000_000) };
  const stream = new Stream({ clock, message: (whole) => (whole ? long : {}) });
  const response = new SlowResponse();
  t.true(stream.add(response as unknown as ServerResponse));
  response.writableLength = 1_000_000;
  await clock.advance(1_000);
  t.is(stream.dropped, 0);
  response.writableLength = 1_400_000;
  await clock.advance(1_000);
  t.is(stream.dropped, 1);
  stream.close();
});

test("nothing is made when nobody watches", async (t) => {
  await serving(async ({ url, clock }) => {
    const before = clock.timers;
    const { socket } = await watch(url);
    t.is(clock.timers, before + 1);
    socket.destroy();
    await eventually("timers", () => clock.timers, { is: before });
  });
});

test("more browsers than fit are told so; the others go on", async (t) => {
  await serving(async ({ url }) => {
    const streams = await Promise.all(Array.from({ length: mostViewers }, () => watch(url)));
    const { status, headers } = await ask(url, "/api/stream");
    t.is(status, 503);
    t.is(headers["retry-after"], "10");
    streams[0]?.socket.destroy();
    const viewers = `qkd_page_viewers ${mostViewers - 1}\n`;
    while (!(await ask(url, "/metrics")).body.toString().includes(viewers)) t.pass();
    for (const { socket } of streams) socket.destroy();
  });
});

test("a browser that does not read is dropped before it takes memory", async (t) => {
  await serving(async ({ url, clock, node }) => {
    const { hostname, port } = new URL(url);
    const socket = connect({ host: hostname, port: Number(port) });
    let closed = false;
    socket.on("close", () => {
      closed = true;
    });
    socket.on("error", () => {});
    socket.write("GET /api/stream HTTP/1.1\r\nHost: localhost\r\n\r\n");
    await new Promise((resolve) => socket.once("data", resolve));
    socket.pause();
    // Messages as long as they may be.
    for (let i = 0; i < 100; i++) {
      node.history.add({ type: "x", at: 0, facts: { text: "y".repeat(200) } });
    }
    const viewers = async () => {
      const text = (await ask(url, "/metrics")).body.toString();
      return /^qkd_page_viewers (\d+)$/m.exec(text)?.[1];
    };
    t.is(await viewers(), "1");
    for (let i = 0; i < 4_000 && (await viewers()) === "1"; i += 1) {
      for (let j = 0; j < 20; j++) {
        node.history.add({ type: "x", at: 0, facts: { text: "y".repeat(20_000) } });
      }
      await clock.advance(1_000);
    }
    t.is(await viewers(), "0");
    socket.resume();
    await eventually("the stream is closed", () => closed);
  });
});

test("routine events leave room for the others", async (t) => {
  await serving(async ({ url, node }) => {
    node.history.add({ type: "module_down", at: 0, facts: {} });
    for (let i = 0; i < 500; i++) {
      node.history.add({ type: "block_empty", module: "alice", at: 0, facts: {}, routine: true });
    }
    const { body } = await ask(url, "/api/state");
    const { events } = JSON.parse(body.toString()) as {
      events: { type: string; sequence: number }[];
    };
    t.is(events[0]?.type, "module_down");
    t.deepEqual(
      events.slice(1).map(({ sequence }) => sequence),
      Array.from({ length: 10 }, (_, i) => 492 + i),
    );
  });
});
