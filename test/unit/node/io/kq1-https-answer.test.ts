import { createServer, type ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import test from "ava";
import { isGone, sendKeys } from "../../../../src/node/io/https-answer.ts";
import { settle } from "../../../clock.ts";
import { eventually } from "../../../eventually.ts";
import { createLine } from "../../../rig/duplex.ts";

const opening = '{"keys":[';
const headers = { "content-type": "application/json" };

/** A response that is to be written to a client, which reads what a test has it read. */
async function begun(): Promise<{ km: Duplex; response: ServerResponse; body: Buffer }> {
  const { node, km } = createLine();
  const server = createServer();
  const response = new Promise<ServerResponse>((resolve) =>
    server.once("request", (_request, one) => resolve(one)),
  );
  server.emit("connection", node);
  km.write("GET / HTTP/1.1\r\nHost: node\r\n\r\n");
  // Longer than the line holds for one that does not read.
  const body = Buffer.alloc(100_000, "x");
  body.write(opening);
  return { km, response: await response, body };
}

const isWiped = (body: Buffer) => body.every((byte) => byte === 0);

async function read(km: Duplex): Promise<string> {
  let all = "";
  for await (const chunk of km) {
    all += (chunk as Buffer).toString();
    if (all.length > 100_000) break;
  }
  return all;
}

test("an answer is sent when all of it was taken, and wiped then", async (t) => {
  const { km, response, body } = await begun();
  const content = body.toString();
  const reading = read(km);
  t.is(await sendKeys(response, 200, headers, body), "sent");
  t.true((await reading).endsWith(`\r\n\r\n${content}`));
  t.true(isWiped(body));
});

test("an answer that is not taken is torn when its client is gone, and wiped then", async (t) => {
  const { km, response, body } = await begun();
  const how = sendKeys(response, 200, headers, body);
  await new Promise((resolve) => km.once("readable", resolve));
  // So much that the rest of the answer began.
  for (let i = 0; i < 10; i++) await settle();
  t.false(isWiped(body));
  km.destroy();
  t.is(await how, "torn");
  t.true(isWiped(body));
  t.true(response.destroyed);
});

test("of an answer that is cut behind its headers nothing left", async (t) => {
  const { km, response, body } = await begun();
  let got = "";
  km.on("data", (chunk: Buffer) => {
    got += chunk.toString();
  });
  const how = sendKeys(response, 200, headers, body);
  // What was begun has not come back yet.
  response.destroy();
  t.is(await how, "unsent");
  t.true(isWiped(body));
  t.false(got.includes("x"));
});

test("to a client that is gone, or closes its side, no answer is begun", async (t) => {
  for (const leave of ["destroy", "end"] as const) {
    const { km, response, body } = await begun();
    km[leave]();
    await eventually("the response is gone", () => isGone(response));
    t.is(await sendKeys(response, 200, headers, body), "unsent");
    t.true(isWiped(body));
  }
});
