/**
 * Over HTTPS something else may answer in the KM's place: a proxy, a gateway, a load balancer. Only an
 * answer that names the key is the KM's own word; after any other the key waits for the same KM.
 */

import { once } from "node:events";
import { createServer, get, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { gzipSync } from "node:zlib";
import test from "ava";
import { systemClock } from "../../../../src/base/clock.ts";
import { ms } from "../../../../src/base/duration.ts";
import { readAnswer } from "../../../../src/node/io/http-answer.ts";
import { ManualClock } from "../../../clock.ts";
import { type HttpsLine, key, type Serve, withHttpsKm } from "../../../rig/kq1-https-line.ts";
import { isShort } from "../../../whole-run.ts";

const statuses = [
  200, 201, 202, 204, 206, 301, 302, 304, 307, 400, 401, 403, 404, 405, 407, 408, 409, 413, 418,
  422, 429, 500, 501, 502, 503, 504, 507, 511, 599,
];

/** What a status means where the body names the key and says no more (README, "HTTPS"). */
function meaning(status: number): string {
  const exact: Readonly<Record<number, string>> = {
    200: "success",
    201: "success",
    401: "unauthorized",
    403: "unauthorized",
    404: "unknown_module",
    408: "busy",
    409: "duplicate_key_ID",
    429: "busy",
    502: "busy",
    503: "busy",
    504: "busy",
    507: "storage_full",
  };
  const rest = status < 400 ? "unclear" : status < 500 ? "invalid_message" : "internal_error";
  return exact[status] ?? rest;
}

const unclear = () => "unclear";
const stored = (status: number) => (status === 200 || status === 201 ? "success" : "unclear");
const unknown = (status: number) => (status === 200 || status === 201 ? "other" : meaning(status));
const html = "<!doctype html><title>403 Forbidden</title><h1>nginx</h1>";

/** A body for the key of this ID, and what the node makes of it under a status. */
const bodies: Readonly<
  Record<string, readonly [(id: string) => string, (status: number) => string]>
> = {
  nothing: [() => "", unclear],
  "an error page": [() => html, unclear],
  "an error page with the key's ID in it": [(id) => `<p>${id}</p>`, unclear],
  "the key's ID alone": [(id) => id, unclear],
  "the key's ID as JSON": [(id) => JSON.stringify(id), unclear],
  "an array": [(id) => JSON.stringify([{ key_ID: id, response: "success" }]), unclear],
  null: [() => "null", unclear],
  "an empty object": [() => "{}", unclear],
  "a gateway's error": [() => JSON.stringify({ message: "no Route matched" }), unclear],
  "a problem report": [() => JSON.stringify({ type: "about:blank", status: 403 }), unclear],
  "a reason and no key": [() => JSON.stringify({ response: "unauthorized" }), unclear],
  "busy and no key": [() => JSON.stringify({ response: "busy" }), unclear],
  "success and no key": [() => JSON.stringify({ response: "success" }), unclear],
  "another key": [() => JSON.stringify({ key_ID: key(999).id, response: "success" }), unclear],
  "another key, refused": [
    () => JSON.stringify({ key_ID: key(999).id, response: "unauthorized" }),
    unclear,
  ],
  "the key's ID under another name": [(id) => JSON.stringify({ key_id: id }), unclear],
  "the key further down": [(id) => JSON.stringify({ error: { key_ID: id } }), unclear],
  "a response that is no word": [(id) => JSON.stringify({ key_ID: id, response: 7 }), unclear],
  "half an object": [(id) => JSON.stringify({ key_ID: id }).slice(0, -1), unclear],
  "the key": [(id) => JSON.stringify({ key_ID: id }), meaning],
  "the key in capitals": [(id) => JSON.stringify({ key_ID: id.toUpperCase() }), meaning],
  "the key and success": [(id) => JSON.stringify({ key_ID: id, response: "success" }), stored],
  "the key and busy": [(id) => JSON.stringify({ key_ID: id, response: "busy" }), () => "busy"],
  "the key and a refusal": [
    (id) => JSON.stringify({ key_ID: id, response: "key_length_unsupported" }),
    () => "key_length_unsupported",
  ],
  "the key and an unknown word": [
    (id) => JSON.stringify({ key_ID: id, response: "constructor" }),
    unknown,
  ],
  "the key and a name of the node's own": [
    (id) => JSON.stringify({ key_ID: id, response: "unclear" }),
    unknown,
  ],
};

function respond(response: ServerResponse, status: number, body: string): void {
  response.writeHead(status, {
    "content-type": "text/html; charset=utf-8",
    location: "/elsewhere",
  });
  response.end(body);
}

test("each status with each body: only what names the key is final", async (t) => {
  // A short run has each body with some of the statuses.
  const cases = statuses.flatMap((status, s) =>
    Object.entries(bodies)
      .map(([what, [body, verdict]]) => ({ status, what, body, verdict }))
      .filter((_, b) => !isShort || (s + b) % 3 === 0),
  );
  const clock = new ManualClock();
  const serve: Serve = (_, response, keyId) => {
    const one = cases[Number.parseInt(keyId.slice(-12), 16)];
    if (one !== undefined) respond(response, one.status, one.body(keyId));
  };
  await withHttpsKm(
    1,
    serve,
    async ({ supply, came, answers, answered }) => {
      for (const [n, { status, what, verdict }] of cases.entries()) {
        supply.supply(key(n));
        await answered(n + 1);
        // Bodies do not go with these.
        const expected = status === 204 || status === 304 ? "unclear" : verdict(status);
        t.is(answers[n], `${n} ${expected}`, `${status} with ${what}`);
        await clock.advance(1_000);
      }
      t.is(came.length, cases.length, "each was sent once, none to where it was redirected");
    },
    { clock },
  );
});

/** One key over one connection; answers so far, and what was heard of the KM. */
async function one(serve: Serve, body: (line: HttpsLine) => Promise<void>): Promise<void> {
  const line = (own: HttpsLine) => {
    own.supply.supply(key(1));
    return body(own);
  };
  await withHttpsKm(1, serve, line);
}

/** Bytes instead of a response. */
const raw =
  (bytes: (keyId: string) => string | Buffer, then: "end" | "stay" = "stay"): Serve =>
  (request, _, keyId) => {
    request.socket.write(bytes(keyId));
    if (then === "end") request.socket.end();
  };

const good = (id: string) => JSON.stringify({ key_ID: id });
const head = (lines: string, body: string) =>
  `HTTP/1.1 ${lines}\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;

/** What comes back, whether it stays open, what it is taken for, and what is said of it. */
const odd: Readonly<Record<string, readonly [Serve, string, RegExp?]>> = {
  "a body that is cut off": [
    raw((id) => head("200 OK", `${good(id)} `).slice(0, -1), "end"),
    "unclear",
    /HTTP 200, no type; response is cut off/,
  ],
  "chunks that are cut off": [
    raw((id) => `HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n40\r\n${good(id)}`, "end"),
    "unclear",
    /cut off/,
  ],
  "a page that is cut off": [
    raw(() => head("403 Forbidden\r\ncontent-type: text/html", html).slice(0, -9), "end"),
    "unclear",
    /HTTP 403, text\/html; response is cut off/,
  ],
  "a body over the limit": [
    raw((id) => head("200 OK", `${good(id)}${" ".repeat(20_000)}`)),
    "unclear",
    /too long/,
  ],
  "a body without an end": [
    (_, response) => {
      response.writeHead(200, { "content-type": "application/json" });
      const more = () => response.write(" ".repeat(4_096), (error) => error ?? setImmediate(more));
      more();
    },
    "unclear",
    /application\/json; response is too long/,
  ],
  "the KM's word, compressed": [
    (_, response, id) => {
      response.writeHead(200, { "content-encoding": "gzip" });
      response.end(gzipSync(good(id)));
    },
    "unclear",
    /compressed/,
  ],
  "a header that says compressed before plain text": [
    (_, response, id) => {
      response.writeHead(200, { "content-encoding": "br" });
      response.end(good(id));
    },
    "unclear",
    /compressed/,
  ],
  "no HTTP at all": [raw(() => "220 mail.example ESMTP\r\n"), "unclear", /speaks no HTTP/],
  "headers that are too long": [
    raw(() => `HTTP/1.1 200 OK\r\nx: ${"y".repeat(100_000)}\r\n\r\n`),
    "unclear",
    /speaks no HTTP/,
  ],
  "another protocol": [
    raw(() => "HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n"),
    "unclear",
    /HTTP 101/,
  ],
  "news before the answer": [
    raw((id) =>
      ["100 Continue", "102 Processing", "103 Early Hints"]
        .map((line) => `HTTP/1.1 ${line}\r\n\r\n`)
        .concat(head("201 Created", good(id)))
        .join(""),
    ),
    "success",
  ],
  "an answer of HTTP/1.0 that ends with its connection": [
    raw((id) => `HTTP/1.0 200 OK\r\n\r\n${good(id)}`, "end"),
    "success",
  ],
  "an answer that ends its connection": [
    raw((id) => head("200 OK\r\nconnection: close", good(id)), "end"),
    "success",
  ],
  "a refusal of HTTP/1.0": [
    raw((id) => `HTTP/1.0 403 Forbidden\r\n\r\n${good(id)}`, "end"),
    "unauthorized",
  ],
  "a type that could be anything": [
    raw(() => head("403 No\r\ncontent-type: a2V5IGJ5dGVz", "no")),
    "unclear",
    /HTTP 403, other; response to key supply is not JSON$/,
  ],
};

for (const [what, [serve, verdict, says]] of Object.entries(odd)) {
  test(`${what}: ${verdict}`, async (t) => {
    await one(serve, async ({ answers, answered, heard, supply }) => {
      await answered(1);
      t.deepEqual(answers, [`1 ${verdict}`]);
      t.deepEqual([heard.own, heard.unclear], verdict === "unclear" ? [0, 1] : [1, 0]);
      if (says !== undefined) t.regex(heard.what, says);
      t.true(supply.room > 0, "the session goes on");
    });
  });
}

test("a refusal before the key was read ends that connection, and the session goes on", async (t) => {
  const yes: Serve = (_, response, keyId) => response.end(good(keyId));
  const clock = new ManualClock();
  let early = true;
  await withHttpsKm(
    1,
    yes,
    async ({ supply, answers, answered, connections }) => {
      supply.supply(key(1));
      await answered(1);
      await clock.advance(1_000);
      early = false;
      supply.supply(key(1));
      await answered(2);
      t.deepEqual(answers, ["1 unclear", "1 success"]);
      t.is(connections(), 2);
    },
    { clock },
    (_, response) => {
      if (early) respond(response, 413, html);
      return early;
    },
  );
});

test("success that comes before the key has left is no word about it", async (t) => {
  const { id } = key(1);
  const server = createServer((_, response) => response.end(good(id)));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const ask = (written: boolean) =>
    new Promise<string>((resolve) => {
      const { port } = server.address() as AddressInfo;
      get({ port, host: "127.0.0.1", agent: false }, (response) =>
        readAnswer(
          response,
          id,
          () => written,
          ({ reason, stranger }) => resolve(reason ?? stranger),
        ),
      );
    });
  t.is(await ask(true), "success");
  t.regex(await ask(false), /before the key was sent/);
  server.close();
});

test("answers that are shifted by one are noticed, and their connection is not used again", async (t) => {
  // The second answer to the first request would be taken for that to the second.
  const serve: Serve = (request, response, keyId) => {
    if (keyId === key(1).id) {
      request.socket.write(head("200 OK", good(keyId)) + head("200 OK", good(keyId)));
    } else response.end(good(keyId));
  };
  await withHttpsKm(1, serve, async ({ supply, answers, answered }) => {
    supply.supply(key(1));
    await answered(1);
    supply.supply(key(2));
    await answered(2);
    if (answers[1] !== "2 success") {
      t.is(answers[1], "2 unclear");
      supply.supply(key(2));
      await answered(3);
    }
    t.is(answers.at(-1), "2 success");
  });
});

test("a stranger gets few keys while it answers; the KM gets a whole window again", async (t) => {
  let proxied = true;
  const clock = new ManualClock();
  const serve: Serve = (_, response, keyId) => {
    if (proxied) respond(response, 502, html);
    else response.end(good(keyId));
  };
  await withHttpsKm(
    2,
    serve,
    async ({ supply, came, answers, answered, heard }) => {
      for (let n = 0; n < 16; n++) supply.supply(key(n));
      await answered(2);
      t.is(supply.room, 0, "there is no room behind those that wait");
      for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
      t.is(came.length, 2, "the others wait");
      for (let n = 4; n <= 16; n += 2) {
        await clock.advance(1_000);
        await answered(n);
      }
      t.is(supply.room, 2, "no more than one a connection");
      t.true(answers.every((one) => one.endsWith(" unclear")));
      await clock.advance(1_000);
      proxied = false;
      supply.supply(key(1));
      await answered(17);
      t.is(supply.room, 16);
      t.deepEqual([heard.own, heard.unclear], [1, 16]);
    },
    { clock },
  );
});

test("a KM that takes keys and answers none is heard of as silent", async (t) => {
  const silent: Serve = (request) => request.socket.destroy();
  await one(silent, async ({ supply, heard }) => {
    await supply.ended;
    t.is(
      heard.what,
      "no key was answered for: connection to the KM ended, closed by the KM (ECONNRESET)",
    );
  });
  await withHttpsKm(
    1,
    () => {},
    async ({ supply, heard }) => {
      supply.supply(key(1));
      await supply.ended;
      t.deepEqual([heard.own, heard.unclear], [0, 1]);
      t.is(heard.what, "no key was answered for: KM does not answer");
    },
    { clock: systemClock, answerTimeout: ms(50) },
  );
});
