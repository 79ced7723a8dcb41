import { once } from "node:events";
import test from "ava";
import type { OnRequestKeys } from "../../../../src/node/keys/ports.ts";
import { eventually } from "../../../eventually.ts";
import { AskingDesk } from "../../../rig/asking-desk.ts";
import { durable, withBench } from "../../../rig/custody-bench.ts";
import { offer, onRequest } from "../../../rig/desk-bench.ts";
import { type KeyServerBench, text, withServer } from "../../../rig/key-server-bench.ts";

/** Some 4 MB: more than the system keeps for a client that does not read. */
const long = "?number=90&size=262144";
const closed = (socket: { once(event: "close", then: () => void): void }) =>
  new Promise<void>((resolve) => socket.once("close", resolve));

function withAsking(body: (desk: AskingDesk, bench: KeyServerBench) => Promise<void>) {
  const desk = new AskingDesk();
  return withServer(desk, (bench) => body(desk, bench));
}

test("keys are sent once the client has them, however soon it closes", async (t) => {
  await withAsking(async (desk, { ask }) => {
    for (let n = 1; n <= 50; n++) t.is((await ask({ path: "?number=3" })).ids.length, 3);
    t.is((await ask({ path: long })).ids.length, 90);
    await eventually("answers that ended", () => desk.ended.length, { is: 51 });
    t.deepEqual([...new Set(desk.ended.map((one) => one.replace(/\d+ /, "")))], ["sent"]);
  });
});

test("a client that goes away while its answer waits for the disk gets nothing", async (t) => {
  await withAsking(async (desk, { open }) => {
    const disk = Promise.withResolvers<void>();
    desk.before = () => disk.promise;
    for (const leave of ["end", "destroy"] as const) {
      const socket = await open();
      let read = 0;
      socket.on("data", (chunk: Buffer) => {
        read += chunk.length;
      });
      socket.write(text(""));
      const before = desk.asked.length;
      await eventually("requests", () => desk.asked.length, { atLeast: before + 1 });
      const over = closed(socket);
      socket[leave]();
      await over;
      t.is(read, 0);
    }
    // The server hears of this connection behind those that were closed.
    const last = await open();
    last.write("GET /api/v1/keys/B/status HTTP/1.1\r\nHost: node\r\n\r\n");
    await new Promise((resolve) => last.once("data", resolve));
    disk.resolve();
    await eventually("answers that ended", () => desk.ended.length, { is: 2 });
    t.deepEqual(desk.ended.toSorted(), ["1 unsent", "2 unsent"]);
  });
});

test("a client that reads nothing holds one answer, and no more keys; gone, it has that one torn", async (t) => {
  await withAsking(async (desk, { open }) => {
    const socket = await open();
    // The system keeps some of them for a client that does not read, and not all.
    socket.write(text(long).repeat(17));
    await new Promise((resolve) => socket.once("readable", resolve));
    socket.destroy();
    await eventually("an answer is torn", () => desk.ended.at(-1), { matches: / (torn|unsent)$/ });
    const last = desk.ended.pop();
    t.regex(last ?? "", /torn|unsent/);
    t.true(desk.ended.every((one) => / sent$/.test(one)));
    t.true(desk.asked.length < 17);
    t.is(desk.asked.length, desk.ended.length + 1);
  });
});

test("halted between the answer and its first key, nothing of it is sent", async (t) => {
  await withAsking(async (desk, { server, open }) => {
    const early = await open();
    desk.before = async () => {
      // Behind all that the server does in the turn in which it gets the answer.
      void (async () => {
        for (let i = 0; i < 20; i++) await null;
        server.halt();
      })();
    };
    let read = "";
    early.on("data", (chunk: Buffer) => {
      read += chunk.toString("latin1");
    });
    const over = closed(early);
    early.write(text(""));
    await over;
    t.notRegex(read, /key_ID/);
    t.deepEqual(desk.ended, ["1 unsent"]);
  });
});

test("what gives no key asks for none: HEAD, another method, a name that is too short", async (t) => {
  await withAsking(async (desk, { ask }) => {
    const named = (name: string | string[]) => ({ headers: { "idempotency-key": name } });
    t.is((await ask({ method: "HEAD" })).status, 405);
    t.is((await ask({ method: "PUT", body: "{}" })).status, 405);
    const tooLong = JSON.stringify({ x: "y".repeat(5_000) });
    t.is((await ask({ method: "POST", body: tooLong })).status, 413);
    const short = await ask(named("0123456789abcde"));
    t.like(short, { status: 400 });
    t.regex(short.message, /idempotency-key has fewer than 16 characters/);
    t.is((await ask(named("x".repeat(129)))).status, 400);
    t.is((await ask(named(["0123456789abcdef", "0123456789abcdeg"]))).status, 400);
    const extension = [{ request_ID: "0123456789abcdef" }];
    const body = JSON.stringify({ extension });
    t.is((await ask({ ...named("another of this kind"), method: "POST", body })).status, 400);
    t.deepEqual(desk.asked, []);
    t.is((await ask({ ...named("0123456789abcdef"), method: "POST", body })).status, 200);
    t.is((await ask({ method: "POST", body })).status, 200);
    t.is((await ask()).status, 200);
    t.deepEqual(
      desk.asked.map(({ token }) => token),
      ["0123456789abcdef", "0123456789abcdef", undefined],
    );
  });
});

test("what stock clients of ETSI 014 send means what they mean by it", async (t) => {
  await withAsking(async (desk, { ask }) => {
    const post = (body: string) => ask({ method: "POST", body });
    const nulls = `{"number":null,"size":null,"additional_slave_SAE_IDs":null}`;
    const more = `{"number":1,"extension_mandatory":null,"extension_optional":null,"extension":null}`;
    const empty = `{"additional_slave_SAE_IDs":[],"extension_mandatory":[],"extension_optional":[]}`;
    const bodies = [nulls, more, empty, "", " \r\n", "{}", `\ufeff${nulls}`];
    for (const body of bodies) {
      t.is((await post(body)).status, 200, body);
    }
    for (const path of ["", "?number=1&size=256", "?number=&size=", "?additional_slave_SAE_IDs="]) {
      t.is((await ask({ path })).status, 200, path);
    }
    t.true(desk.asked.every(({ number, size }) => number === 1 && size === 256));
    const asked = desk.asked.length;
    t.is(asked, bodies.length + 4);
    for (const body of [
      `{"additional_slave_SAE_IDs":["C"]}`,
      `{"additional_slave_SAE_IDs":"C"}`,
      `{"additional_slave_SAE_IDs":{}}`,
      `{"additional_slave_SAE_IDs":[null]}`,
      `{"number":"1"}`,
      `{"size":0}`,
      `{"extension_mandatory":[{"a":1}]}`,
      "null",
      "[]",
    ]) {
      t.is((await post(body)).status, 400, body);
    }
    const { status, message } = await ask({ path: "?additional_slave_SAE_IDs=C" });
    t.is(status, 400);
    t.regex(message, /additional_slave_SAE_IDs is not supported \(max_SAE_ID_count is 0\)/);
    t.is(desk.asked.length, asked);
  });
});

test("a path that leads nowhere is a 404 for every module's name, one that leads to no module a 401", async (t) => {
  await withAsking(async (desk, { open }) => {
    const status = async (path: string) => {
      const socket = await open();
      socket.write(`GET ${path} HTTP/1.1\r\nHost: node\r\n\r\n`);
      const [head] = await once(socket, "data");
      return Number(/^HTTP\/1\.1 (\d+)/.exec(String(head))?.[1]);
    };
    for (const path of ["B/nonsense", "B", "B/enc_keys/more", "C/nonsense", "B/dec_keys"]) {
      t.is(await status(`/api/v1/keys/${path}`), 404, path);
    }
    t.is(await status("/"), 404);
    t.is(await status("/api/v1/keys/C/enc_keys"), 401);
    t.is(await status("/api/v1/keys/B/status"), 200);
    t.deepEqual(desk.asked, []);
  });
});

test("of requests that a client sends in a row, one is answered at a time", async (t) => {
  await withAsking(async (desk, { open }) => {
    const reader = await open();
    let read = "";
    reader.on("data", (chunk: Buffer) => {
      read += chunk.toString("latin1");
    });
    reader.write(text("?number=1").repeat(5));
    await eventually("answers that ended", () => desk.ended.length, { is: 5 });
    t.deepEqual(
      desk.ended,
      [1, 2, 3, 4, 5].map((n) => `${n} sent`),
    );
    while (read.split("success").length <= 5) {
      await new Promise((resolve) => reader.once("data", resolve));
    }
    const greedy = await open();
    const over = closed(greedy);
    greedy.write(text(long).repeat(50));
    await over;
    await eventually("all answers ended", () => desk.asked.length - desk.ended.length, { is: 0 });
    t.true(desk.asked.length <= 6);
  });
});

test("two KMs whose certificates have one name never share keys; each can repeat its own", async (t) => {
  await withBench(onRequest, async (bench) => {
    bench.module.connect(bench.custody);
    offer(bench, 4_096);
    await durable(bench);
    await withServer(bench.custody.desk as OnRequestKeys, async ({ ask }) => {
      const headers = { "idempotency-key": "0123456789abcdef" };
      const both = [await ask({ headers, km: 0 }), await ask({ headers, km: 1 })];
      const again = [await ask({ headers, km: 0 }), await ask({ headers, km: 1 })];
      t.deepEqual(
        again.map(({ ids }) => ids),
        both.map(({ ids }) => ids),
      );
      t.is(new Set(both.flatMap(({ ids }) => ids)).size, 2);
      const other = await ask({ headers, path: "?number=2", km: 0 });
      t.like(other, {
        status: 400,
        ids: [],
        message: "this token is that of a request for other keys",
      });
      const none = await ask({ path: "?size=100000", headers: { connection: "keep-alive" } });
      t.like(none, { status: 400, ids: [] });
      t.not(none.headers.connection, "close");
    });
  });
});

test("a key that a client did not wait for is given to the next", async (t) => {
  await withBench(onRequest, async (bench) => {
    bench.module.connect(bench.custody);
    offer(bench, 256);
    await durable(bench);
    const desk = bench.custody.desk as OnRequestKeys;
    const disk = Promise.withResolvers<void>();
    const asked = Promise.withResolvers<void>();
    const slow: OnRequestKeys = {
      unitBits: 256,
      stored: 1,
      request: async (request) => {
        const reply = await desk.request(request);
        asked.resolve();
        await disk.promise;
        return reply;
      },
    };
    await withServer(slow, async ({ ask, open }) => {
      const socket = await open();
      socket.write(text(""));
      await asked.promise;
      const over = closed(socket);
      socket.end();
      await over;
      disk.resolve();
      await eventually("keys stored", () => desk.stored, { atLeast: 1 });
      t.like(bench.custody.counters(), { supplied: 0, confirmed: 0, quarantined: 0 });
      t.is((await ask()).ids.length, 1);
      await eventually("releases", () => bench.module.released.length, { atLeast: 1 });
      t.like(bench.custody.counters(), { supplied: 1, confirmed: 1 });
    });
  });
});
