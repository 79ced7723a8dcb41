/** What custody makes of answers that are no plain yes or no: whose the key is afterwards. */
import test from "ava";
import { suppliesOnUnknownReason } from "../../../../src/wire/kq1/names.ts";
import { settle } from "../../../clock.ts";
import { type Bench, durable, Km, withBench } from "../../../rig/custody-bench.ts";
import { type Serve, withHttpsKm } from "../../../rig/kq1-https-line.ts";

const kms = ["first", "second"];

async function two(body: (bench: Bench, first: Km, second: Km) => Promise<void>): Promise<void> {
  await withBench({ kms }, async (bench) => {
    const { module, custody } = bench;
    module.add(1);
    module.connect(custody);
    const links = kms.map((name) => {
      const km = new Km(custody);
      custody.kmUp(km, name);
      return km;
    });
    module.offer();
    await durable(bench);
    await body(bench, ...(links as [Km, Km]));
  });
}

test("an unknown word: the KM may have meant that it has the key, and no other is offered it", async (t) => {
  await two(async (bench, first, second) => {
    const { module, custody, clock, events } = bench;
    for (let n = 1; n <= suppliesOnUnknownReason; n++) {
      t.is(first.asked.length, n);
      // An answer of one KM, or a member of every object.
      first.answer(n % 2 === 0 ? "constructor" : "ALREADY_STORED");
      t.is(first.outstanding.length, 0, "with waits between");
      await clock.advance(1_000);
    }
    await durable(bench);
    t.is(first.asked.length, suppliesOnUnknownReason);
    t.is(second.asked.length, 0);
    t.deepEqual(
      events.map(({ type, facts }) => [type, facts.reason]),
      [["key_quarantined", "other"]],
    );
    t.deepEqual(custody.counters().refused, { other: suppliesOnUnknownReason });
    t.deepEqual(module.released, []);
    t.is(module.blocks.size, 1);
  });
});

test("an unknown word that was meant as later costs nothing but time", async (t) => {
  await two(async (bench, first, second) => {
    for (let n = 1; n < suppliesOnUnknownReason; n++) {
      first.answer("overloaded");
      await bench.clock.advance(1_000);
    }
    first.answer();
    await durable(bench);
    t.is(bench.module.released.length, 1);
    t.deepEqual([second.asked.length, bench.events.length], [0, 0]);
  });
});

test("what is not the KM's own word is waited out, for ever, at the same KM", async (t) => {
  await two(async (bench, first, second) => {
    for (let n = 0; n < 1_000; n++) {
      first.answer("unclear");
      await bench.clock.advance(1_000);
    }
    t.is(first.outstanding.length, 1);
    t.deepEqual([second.asked.length, bench.events.length], [0, 0]);
    t.deepEqual(bench.custody.counters().refused, { unclear: 1_000 });
    first.answer();
    await durable(bench);
    t.is(bench.module.released.length, 1);
  });
});

test("supplies after a reconnect are no sign that a hash does not match", async (t) => {
  await withBench({}, async (bench) => {
    const { module, custody } = bench;
    module.add(1);
    module.connect(custody);
    module.offer();
    let km = new Km(custody);
    for (let n = 0; n < 5; n++) {
      km = new Km(custody);
      custody.kmUp(km);
      custody.kmDown();
    }
    km = new Km(custody);
    custody.kmUp(km);
    km.answer("hash_mismatch");
    km.answer("hash_mismatch");
    km.answer();
    await durable(bench);
    t.is(module.released.length, 1);
    t.is(bench.events.length, 0);
  });
});

const pages: Readonly<Record<string, readonly [status: number, type: string, body: string]>> = {
  "403 and a page": [403, "text/html", "<h1>Forbidden</h1>"],
  "404 and a page": [404, "text/html", "<h1>Not Found</h1>"],
  "409 and nothing": [409, "text/plain", ""],
  "500 and a gateway's error": [500, "application/json", '{"message":"upstream"}'],
  "501 and nothing": [501, "text/html", ""],
  "200 and a login page": [200, "text/html", "<form>"],
  "302 to a login page": [302, "text/html", ""],
  "400 and a reason for some key": [400, "application/json", '{"response":"duplicate_key_ID"}'],
};

for (const [what, [status, type, page]] of Object.entries(pages)) {
  test(`over HTTPS: ${what} is never final, and the next KM is not asked`, async (t) => {
    let strange = true;
    const serve: Serve = (_, response, keyId) => {
      response.writeHead(strange ? status : 201, { "content-type": type, location: "/login" });
      response.end(strange ? page : JSON.stringify({ key_ID: keyId, response: "success" }));
    };
    await withBench({ kms }, async (bench) => {
      const { module, custody, clock, events } = bench;
      const line = { clock, sink: custody, window: 4 };
      await withHttpsKm(
        2,
        serve,
        async ({ supply, answers, answered }) => {
          custody.kmUp(supply, "first");
          for (let n = 0; n < 4; n++) module.add(n);
          module.connect(custody);
          module.offer();
          await durable(bench);
          for (let n = 2; n <= 10; n += 2) {
            await answered(n);
            await clock.advance(1_000);
          }
          await answered(12);
          const second = new Km(custody);
          custody.kmUp(second, "second");
          await settle();
          t.true(answers.every((one) => one.endsWith(" unclear")));
          t.deepEqual([second.asked.length, events.length, module.released.length], [0, 0, 0]);
          strange = false;
          await clock.advance(1_000);
          await answered(14);
          await clock.advance(1_000);
          await answered(16);
          await durable(bench);
          t.deepEqual([second.asked.length, events.length, module.released.length], [0, 0, 4]);
        },
        line,
      );
    });
  });
}
