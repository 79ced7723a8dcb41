import { connect, type Socket } from "node:net";
import test, { type ExecutionContext } from "ava";
import { pageContent } from "../../../../src/node/page/content.ts";
import { ManualClock } from "../../../clock.ts";
import {
  ask,
  type Bench,
  login,
  password,
  secure,
  serving,
  shownNode,
} from "../../../rig/web-bench.ts";

const closed = (socket: Socket) => new Promise<void>((resolve) => socket.once("close", resolve));

function open(url: string, from = "127.0.0.1"): Socket {
  const { port } = new URL(url);
  const socket = connect({ host: "127.0.0.1", port: Number(port), localAddress: from });
  return socket.on("error", () => {});
}

const text = (path: string) => `GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`;

async function connected(sockets: readonly Socket[]): Promise<void> {
  await Promise.all(
    sockets.map((one) => new Promise((resolve) => one.once("connect", resolve).resume())),
  );
}

test("connections that only stand there keep nobody out, nor those that watch from their place", async (t) => {
  await serving(async ({ url }) => {
    const viewers = Array.from({ length: 32 }, () => open(url));
    for (const viewer of viewers) {
      viewer.write(text("/api/stream"));
      await new Promise((resolve) => viewer.once("data", resolve));
      viewer.resume();
    }
    const silent = Array.from({ length: 300 }, (_, n) => open(url, `127.0.1.${n % 100}`));
    await connected(silent);
    t.is((await ask(url, "/healthz")).status, 200);
    t.is((await ask(url, "/api/state", { from: "127.0.0.9" })).status, 200);
    t.true(viewers.every(({ destroyed }) => !destroyed));
    for (const socket of [...viewers, ...silent]) socket.destroy();
  });
});

test("requests of one connection are answered one after the other, and no more than a few wait", async (t) => {
  await serving(async ({ url, node }) => {
    let made = 0;
    const { peekTelemetryWindow } = node.modules[0] as { peekTelemetryWindow: () => object };
    Object.assign(node.modules[0] as object, {
      peekTelemetryWindow: () => {
        made++;
        return peekTelemetryWindow();
      },
    });
    const lazy = open(url).pause();
    lazy.write(text("/api/state").repeat(500));
    // It is cut off, unread.
    await closed(lazy.resume());
    t.true(made < 100, String(made));
  });
});

/** Every request that is looked at takes so much of the processor. */
async function costly(body: (bench: Bench) => Promise<void>, ms: number): Promise<void> {
  const clock = new ManualClock();
  let spent = 0;
  const node = {
    ...shownNode(clock),
    get version() {
      spent += ms;
      return "1.2.3";
    },
  };
  const parts = { content: pageContent(node, clock), clock, processor: () => spent };
  await serving((bench) => body({ ...bench, clock }), {}, parts);
}

test("who asks for much waits, so that keys do not; somebody elsewhere does not wait", async (t) => {
  await costly(async ({ url, clock }) => {
    const state = (from: string) => ask(url, "/api/state", { from });
    await state("127.0.0.1");
    let over = false;
    const held = state("127.0.0.1").finally(() => {
      over = true;
    });
    t.is((await state("127.0.0.2")).status, 200);
    t.false(over);
    while (!over) await clock.advance(1_000);
    t.is((await held).status, 200);
    for (let n = 0; n < 20; n++) {
      over = false;
      const next = state("127.0.0.1").finally(() => {
        over = true;
      });
      while (!over) await clock.advance(500);
      t.true([200, 503].includes((await next).status));
    }
  }, 400);
});

async function lasts(connection: Socket): Promise<number> {
  const begun = performance.now();
  await closed(connection);
  return performance.now() - begun;
}

function about(t: ExecutionContext, ms: number, expected: number): void {
  // Node.js looks four times within the limit; the machine may be busy, but a limit of its own is longer.
  t.true(ms >= expected * 0.9 && ms < expected * 30, `${ms} of ${expected}`);
}

const times = { handshake: 300, request: 300, idle: 300, stalled: 300 };

test("every time limit is what it says", async (t) => {
  await serving(
    async ({ url }) => {
      about(t, await lasts(open(url).resume()), 300);
      const headers = open(url).resume();
      headers.write("GET / HTTP/1.1\r\n");
      about(t, await lasts(headers), 300);
      const idle = open(url).resume();
      idle.write(text("/healthz"));
      about(t, await lasts(idle), 300);
    },
    { times },
  );
});

/** What is read of an answer that nobody read for a while, bytes. */
async function readLate(url: string, ms: number): Promise<number> {
  const lazy = open(url).pause();
  lazy.write(text("/api/state"));
  await new Promise((resolve) => lazy.once("readable", resolve));
  await new Promise((resolve) => setTimeout(resolve, ms));
  let bytes = 0;
  lazy.on("data", (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > long) lazy.destroy();
  });
  await closed(lazy);
  return bytes;
}

/** More than the system keeps for a client that does not read. */
const long = 16_000_000;

test("an answer of which nothing is read is given up", async (t) => {
  await serving(
    async ({ url, node }) => {
      node.state = { ...node.state, reason: "x".repeat(long) };
      let wait = 1_000;
      while ((await readLate(url, wait)) > long && wait < 20_000) wait *= 2;
      t.true(wait < 20_000);
    },
    { times },
  );
});

test("a handshake has its time, and so has what a login sends", async (t) => {
  await secure(
    async ({ url }) => {
      about(t, await lasts(open(url).resume()), 300);
      t.is((await login(url, password)).status, 303);
    },
    {},
    {},
    { times },
  );
});
