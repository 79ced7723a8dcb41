import { connect } from "node:net";
import test, { type ExecutionContext } from "ava";
import { createLog } from "../../../../src/base/log.ts";
import { paceMs } from "../../../../src/host/door/pace.ts";
import { ManualClock } from "../../../clock.ts";
import { eventually } from "../../../eventually.ts";
import { AskingDesk } from "../../../rig/asking-desk.ts";
import { type KeyServerBench, text, withServer } from "../../../rig/key-server-bench.ts";

/** Some 4 MB, as long as an answer may be. */
const long = "?number=90&size=262144";
const closed = (socket: { once(event: "close", then: () => void): void }) =>
  new Promise<void>((resolve) => socket.once("close", resolve));

function silent({ port }: KeyServerBench, from: string) {
  const socket = connect({ port, host: "127.0.0.1", localAddress: from });
  socket.on("error", () => {}).resume();
  return socket;
}

test("connections that show no certificate keep no KM out", async (t) => {
  await withServer(new AskingDesk(), async (bench) => {
    const sockets = Array.from({ length: 400 }, (_, n) => silent(bench, `127.0.1.${n % 200}`));
    t.is((await bench.ask()).status, 200);
    for (const socket of sockets) socket.destroy();
  });
});

test("a KM with as many connections as it may have leaves places to the others", async (t) => {
  const lines: string[] = [];
  const log = createLog((line) => lines.push(line), "info");
  await withServer(
    new AskingDesk(),
    async ({ open, ask }) => {
      // One that is too many may be closed before this end has heard that it is secure.
      const opened = await Promise.allSettled(Array.from({ length: 70 }, () => open(0)));
      const mine = opened.flatMap((one) => (one.status === "fulfilled" ? one.value : []));
      const left = () => mine.filter(({ destroyed }) => !destroyed).length;
      while (left() > 64) await Promise.race(mine.filter((one) => !one.destroyed).map(closed));
      t.is(left(), 64);
      t.is((await ask({ km: 1 })).status, 200);
      t.is(lines.length, 5);
      t.regex(lines[0] ?? "", /too many connections of one KM/);
    },
    // Long enough for a busy machine: it is the number that counts.
    { log, times: { handshake: 45_000, request: 45_000, idle: 45_000 } },
  );
});

test("answers in memory are bounded: a KM that reads none is told to wait, another is served", async (t) => {
  const desk = new AskingDesk();
  await withServer(desk, async ({ open, ask }) => {
    const lazy = await open(0);
    lazy.pause();
    lazy.write(text(long).repeat(16));
    // The system keeps some of them for a client that does not read.
    let busy = await ask({ km: 0, path: long });
    while (busy.status !== 503) busy = await ask({ km: 0, path: long });
    t.like(busy, { status: 503, ids: [], message: "too many answers are under way" });
    t.is(busy.headers["retry-after"], "1");
    t.is((await ask({ km: 1, path: long })).ids.length, 90);
    lazy.destroy();
    await eventually("all answers ended", () => desk.asked.length - desk.ended.length, { is: 0 });
    t.is((await ask({ km: 0, path: long })).ids.length, 90);
  });
});

test("a KM that is refused again and again waits for each answer then, and another does not", async (t) => {
  const clock = ManualClock.ofToday();
  const body = async ({ open, ask }: KeyServerBench) => {
    const hostile = await open(0);
    let answers = 0;
    hostile.on("data", (chunk: Buffer) => {
      answers += chunk.toString("latin1").split("HTTP/1.1 ").length - 1;
    });
    const bad = "GET /api/v1/keys/B/enc_keys?number=0 HTTP/1.1\r\nHost: node\r\n\r\n";
    const status = "GET /api/v1/keys/B/status HTTP/1.1\r\nHost: node\r\n\r\n";
    for (let n = 0; n < 16; n++) {
      const before = answers;
      hostile.write(bad.repeat(4) + status.repeat(4));
      while (answers < before + 8) await new Promise((resolve) => hostile.once("data", resolve));
    }
    let over = false;
    const held = ask({ km: 0 }).finally(() => {
      over = true;
    });
    for (let n = 0; n < 5; n++) t.is((await ask({ km: 1 })).status, 200);
    t.false(over);
    while (!over) await clock.advance(paceMs);
    t.is((await held).status, 200);
  };
  await withServer(new AskingDesk(), body, { clock });
});

test("a KM may make a connection for each request, also while there is no key for it", async (t) => {
  const desk = { unitBits: 256, stored: 0, request: async () => empty };
  const empty = { response: "no_keys_available", keys: [] };
  const clock = ManualClock.ofToday();
  const body = async ({ ask }: KeyServerBench) => {
    for (let n = 0; n < 150; n++) t.is((await ask({ km: n % 2 === 0 ? 0 : 1 })).status, 503);
  };
  await withServer(desk, body, { clock });
});

test("what a stranger or a KM can write into the log is bounded", async (t) => {
  const lines: string[] = [];
  const log = createLog((line) => lines.push(line), "info");
  // Its minute is not over before a busy machine has done all of this.
  const clock = ManualClock.ofToday();
  await withServer(
    new AskingDesk(),
    async (bench) => {
      for (let n = 0; n < 40; n++) {
        const socket = silent(bench, "127.0.0.1");
        socket.write("GET / HTTP/1.1\r\n\r\n");
        await closed(socket);
      }
      for (let n = 0; n < 40; n++) await bench.ask({ path: "?number=0" });
      t.is(lines.filter((line) => line.includes("TLS handshake refused")).length, 5);
      t.is(lines.filter((line) => line.includes("key request refused")).length, 5);
      t.regex(lines[0] ?? "", /from=127.0.0.1 cause=\w+/);
      t.true(lines.length <= 11);
    },
    { log, clock },
  );
});

type Closing = { once(event: "close", then: () => void): void };

/** How long it takes until the server ends a connection, ms; from before it was made, which a busy machine may not live to see. */
async function lasts(make: () => Promise<Closing>) {
  const begun = performance.now();
  await make().then(closed, () => {});
  return performance.now() - begun;
}

function about(t: ExecutionContext, ms: number, expected: number): void {
  // Node.js looks four times within the limit.
  t.true(ms >= expected * 0.9, `${ms} of ${expected}`);
  // The machine may be busy, but a limit of the server's own is longer.
  t.true(ms < 30 * expected, `${ms} of ${expected}`);
}

test("every time limit is what it says", async (t) => {
  const desk = new AskingDesk();
  const times = { handshake: 300, request: 300, idle: 300, stalled: 20_000, answer: 600 };
  await withServer(
    desk,
    async (bench) => {
      const { open } = bench;
      const after = (said: string) =>
        lasts(async () => {
          const socket = await open();
          if (said !== "") socket.write(said);
          return socket.resume();
        });
      about(t, await lasts(async () => silent(bench, "127.0.0.1")), 300);
      about(t, await after(""), 300);
      about(t, await after("GET /api/v1/keys/B/status HTTP/1.1\r\n"), 300);
      const head = "POST /api/v1/keys/B/enc_keys HTTP/1.1\r\nHost: n\r\nContent-Length: 20\r\n\r\n";
      about(t, await after(`${head}{`), 300);
      about(t, await after(text("")), 300);
      // Takes a little now and then, for ever.
      const slow = await eventually("a connection in time", () => open());
      slow.pause().write(text(long).repeat(3));
      const before = desk.ended.length;
      await eventually("an answer is torn", () =>
        desk.ended.slice(before).some((how) => /torn/.test(how)),
      );
      slow.resume();
      await closed(slow);
    },
    { times },
  );
});

test("an answer of which nothing is taken ends its connection", async (t) => {
  const desk = new AskingDesk();
  await withServer(
    desk,
    async ({ open }) => {
      const socket = await open();
      socket.pause().write(text(long).repeat(3));
      await eventually("an answer is torn", () => desk.ended.some((how) => /torn/.test(how)));
      t.pass();
    },
    { times: { stalled: 300 } },
  );
});
