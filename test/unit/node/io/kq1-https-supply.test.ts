import test from "ava";
import type { Fault } from "../../../../src/base/errors.ts";
import { eventually } from "../../../eventually.ts";
import { key, type Serve, withHttpsKm as withKm } from "../../../rig/kq1-https-line.ts";

const yes: Serve = (_request, response, keyId) => {
  response.writeHead(200, { "content-type": "application/json" });
  response.end(JSON.stringify({ key_ID: keyId }));
};

test("keys are posted to the path of the modules, and 200 with their key_ID is success", async (t) => {
  const paths = new Set<string | undefined>();
  const serve: Serve = (request, response, keyId) => {
    paths.add(`${request.method} ${request.url}`);
    yes(request, response, keyId);
  };
  await withKm(2, serve, async ({ supply, answers, answered }) => {
    for (let n = 0; n < 16; n++) supply.supply(key(n));
    t.is(supply.room, 0);
    await answered(16);
    t.is(supply.room, 16);
    t.true(answers.every((one) => one.endsWith(" success")));
    t.deepEqual([...paths], ["POST /A%2F1/B%202"]);
  });
});

test("a key of an epoch of another pair goes to the path of that pair", async (t) => {
  const paths: (string | undefined)[] = [];
  const serve: Serve = (request, response, keyId) => {
    paths.push(request.url);
    yes(request, response, keyId);
  };
  const { epoch } = key(0).block.ref;
  const pairOf = (one: string) =>
    one === epoch ? { moduleId: "A/1", matchingModuleId: "before" } : undefined;
  const body: Parameters<typeof withKm>[2] = async ({ supply, answered }) => {
    supply.supply(key(1));
    await answered(1);
  };
  await withKm(1, serve, body, { pairOf });
  t.deepEqual(paths, ["/A%2F1/before"]);
});

test("a connection that the KM closed while it was idle costs nothing: the key goes over another", async (t) => {
  let closing = true;
  const serve: Serve = (request, response, keyId) => {
    yes(request, response, keyId);
    // At the next key, as a server does whose time for idle connections is up in that moment.
    if (closing) request.socket.once("data", () => request.socket.destroy());
    closing = false;
  };
  await withKm(1, serve, async ({ supply, answers, answered }) => {
    supply.supply(key(1));
    await answered(1);
    supply.supply(key(2));
    await answered(2);
    t.deepEqual(answers, ["1 success", "2 success"]);
  });
});

test("halted: what was written is answered, what waits for a connection never leaves", async (t) => {
  const held: (() => void)[] = [];
  const serve: Serve = (_, response, keyId) => {
    held.push(() => {
      response.writeHead(200, { "content-type": "application/json" });
      response.end(JSON.stringify({ key_ID: keyId, response: "success" }));
    });
  };
  await withKm(2, serve, async ({ supply, came, answers, answered }) => {
    for (let n = 0; n < 2; n++) supply.supply(key(n));
    await eventually("requests", () => came.length, { atLeast: 2 });
    supply.halt();
    for (const answer of held.splice(0)) answer();
    await answered(2);
    t.is(answers.length, 2, "all was written: the answers count");
    for (let n = 2; n < 8; n++) supply.supply(key(n));
    await eventually("requests", () => came.length, { atLeast: 4 });
    supply.halt();
    const fault = (await supply.ended) as Fault;
    t.is(fault.message, "keys may not leave");
    for (const answer of held.splice(0)) answer();
    for (let i = 0; i < 50; i++) await new Promise((resolve) => setImmediate(resolve));
    t.is(came.length, 4);
  });
});

test("a new connection that breaks ends the session, and nothing leaves after that", async (t) => {
  let first = true;
  const serve: Serve = (request, response, keyId) => {
    if (first) request.socket.destroy();
    else yes(request, response, keyId);
    first = false;
  };
  await withKm(1, serve, async ({ supply, came, answers, stranger }) => {
    for (let n = 0; n < 8; n++) supply.supply(key(n));
    t.is(((await supply.ended) as Fault).code, "kq1.closed");
    t.is(supply.room, 0);
    supply.supply(key(9));
    // What waited for a connection had time for one: another client made one, and was answered.
    await stranger();
    t.is(came.length, 1);
    t.deepEqual(answers, []);
  });
});
