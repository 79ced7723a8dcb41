/** What is HTTP's own: paths, methods, bodies, connections (RFC 9110, RFC 9112). */
import { gzipSync } from "node:zlib";
import { pause } from "../km/kit.ts";
import { Broken, NotApplicable } from "../run.ts";
import type { KmeCase } from "./case.ts";
import { type Kit, requestOf, same } from "./kit.ts";

const encPath = (kit: Kit, more = "") => kit.path(kit.master, kit.slave.id, "enc_keys", more);

/** A request in HTTP's own words, over a connection of its own. */
async function raw(kit: Kit, bytes: Buffer | string, what: string) {
  const one = await kit.connect(kit.master.door, kit.master);
  one.send(bytes);
  return { one, answer: await one.answer(what) };
}

const hostOf = ({ master: { door } }: Kit) => `Host: ${door.serverName}:${door.port}`;

/** The same ID, each of its characters percent-encoded. */
const encoded = (id: string) =>
  [...Buffer.from(id)].map((byte) => `%${byte.toString(16).padStart(2, "0")}`).join("");

export const httpCases: readonly KmeCase[] = [
  {
    id: "http-404",
    clause: "RFC 9110 §15.5.5",
    title: "a path that is no method's is answered 404",
    async run(kit) {
      const { prefix } = kit.master.door;
      const wrong = [
        "/",
        "/api/v1/keys",
        `/api/v1/keys/${kit.slave.id}`,
        `/api/v1/keys/${kit.slave.id}/keys`,
        `/api/v9/keys/${kit.slave.id}/status`,
        `/api/v1/keys/${kit.slave.id}/status/more`,
      ];
      for (const path of wrong) {
        kit.is(await kit.ask(kit.master, `${prefix}${path}`), [404, 400, 401, 405], `GET ${path}`);
      }
    },
  },
  {
    id: "http-405",
    clause: "RFC 9110 §15.5.6",
    title: "PUT, DELETE and PATCH are answered 405, give no key, and are told what is allowed",
    async run(kit) {
      for (const method of ["PUT", "DELETE", "PATCH"]) {
        const answer = await kit.ask(kit.master, encPath(kit), { method, body: {} });
        kit.is(answer, [405, 404, 501], method);
        if (answer.status === 405 && answer.headers.allow === undefined) {
          throw new Broken(`${method}: 405 without the header Allow`);
        }
      }
    },
  },
  {
    id: "http-head",
    clause: "RFC 9110 §9.3.2",
    title: "HEAD of enc_keys is answered without a body",
    level: "should",
    async run(kit) {
      const { door } = kit.master;
      const one = await kit.connect(door, kit.master);
      const close = { Connection: "close" };
      one.send(requestOf(door, encPath(kit), { method: "HEAD", headers: close }));
      let got = "";
      const end = new Promise<void>((resolve) => one.socket.once("close", () => resolve()));
      one.socket.on("data", (chunk: Buffer) => {
        got += chunk.toString("latin1");
      });
      await Promise.race([end, pause(kit.target.answerMs)]);
      if (!/^HTTP\/1\.1 \d{3}/.test(got)) throw new Broken("HEAD: no answer");
      if (got.split("\r\n\r\n")[1]) throw new Broken("HEAD: the answer has a body");
    },
  },
  {
    id: "http-413",
    clause: "RFC 9110 §15.5.14",
    title: "a body of 8 MiB is refused, and the KME goes on",
    async run(kit) {
      const long = 8 * 1_048_576;
      const one = await kit.connect(kit.master.door, kit.master);
      one.send(
        `POST ${encPath(kit)} HTTP/1.1\r\n${hostOf(kit)}\r\nContent-Length: ${long}\r\n\r\n`,
      );
      for (let sent = 0; sent < long && one.isOpen; sent += 65_536) {
        one.send(Buffer.alloc(65_536, 0x20));
        await new Promise((resolve) => setImmediate(resolve));
      }
      const answer = await one.next();
      if (answer === "(silence)") throw new Broken("a body of 8 MiB: no answer");
      if (answer !== "(closed)") kit.is(answer, [413, 400], "a body of 8 MiB");
      await kit.alive("after it");
    },
  },
  {
    id: "http-413-chunked",
    clause: "RFC 9110 §15.5.14",
    title: "so is one that does not tell its length",
    async run(kit) {
      const one = await kit.connect(kit.master.door, kit.master);
      one.send(
        `POST ${encPath(kit)} HTTP/1.1\r\n${hostOf(kit)}\r\nTransfer-Encoding: chunked\r\n\r\n`,
      );
      for (let i = 0; i < 128 && one.isOpen; i++) {
        one.send(`10000\r\n${" ".repeat(65_536)}\r\n`);
        await new Promise((resolve) => setImmediate(resolve));
      }
      one.send("0\r\n\r\n");
      const answer = await one.next();
      if (answer === "(silence)") throw new Broken("a body of 8 MiB: no answer");
      if (answer !== "(closed)") kit.is(answer, [413, 400], "a body of 8 MiB");
      await kit.alive("after it");
    },
  },
  {
    id: "http-431",
    clause: "RFC 6585 §5",
    title: "a header of 256 KiB is refused, and the KME goes on",
    async run(kit) {
      const one = await kit.connect(kit.master.door, kit.master);
      one.send(
        requestOf(kit.master.door, encPath(kit), { headers: { "X-Long": "x".repeat(262_144) } }),
      );
      const answer = await one.next();
      if (answer === "(silence)") throw new Broken("a header of 256 KiB: no answer");
      if (answer !== "(closed)") kit.is(answer, [431, 400, 413, 414, 494], "a header of 256 KiB");
      await kit.alive("after it");
    },
  },
  {
    id: "http-415",
    clause: "RFC 9110 §15.5.16",
    title: "a compressed body is refused or read, and never taken for an empty one",
    async run(kit) {
      const body = gzipSync('{"number": 2}');
      const headers = { "Content-Encoding": "gzip" };
      const answer = await kit.ask(kit.master, encPath(kit), { body, headers });
      if (answer.status === 200) kit.keys(answer, "a compressed body", 2);
      else kit.is(answer, [415, 400, 422], "a compressed body");
    },
  },
  {
    id: "http-type",
    clause: "§5, RFC 9110 §8.3",
    title: "application/json may have a charset, be in capitals, or be absent",
    level: "should",
    async run(kit) {
      for (const type of ["application/json; charset=utf-8", "Application/JSON", ""]) {
        const headers = { "Content-Type": type };
        const answer = await kit.patient(kit.master, encPath(kit), { body: {}, headers });
        kit.keys(answer, `Content-Type ${JSON.stringify(type)}`, 1);
      }
    },
  },
  {
    id: "http-no-store",
    clause: "RFC 9111 §5.2.2.5",
    title: "keys are not for caches: Cache-Control has no-store",
    level: "should",
    async run(kit) {
      const { headers } = await kit.enc(kit.master, kit.slave);
      if (!/\bno-store\b/.test(headers["cache-control"] ?? "")) {
        throw new Broken("the keys have no Cache-Control: no-store");
      }
    },
  },
  {
    id: "http-plain-answer",
    clause: "RFC 9110 §12.5.3",
    title: "an answer is not compressed where that was not asked for",
    async run(kit) {
      const { headers } = await kit.enc(kit.master, kit.slave);
      if ((headers["content-encoding"] ?? "identity") !== "identity") {
        throw new Broken("the answer is compressed");
      }
    },
  },
  {
    id: "http-keep-alive",
    clause: "RFC 9112 §9.3",
    title: "a connection serves ten requests, refusals among them",
    async run(kit) {
      const { door } = kit.master;
      const one = await kit.connect(door, kit.master);
      for (let i = 0; i < 10; i++) {
        const body = i % 3 === 1 ? { size: 257 } : {};
        one.send(requestOf(door, encPath(kit), { body }));
        const answer = await one.answer(`request ${i + 1} of a connection`);
        kit.is(answer, i % 3 === 1 ? [400, 422] : [200, 503, 429], `request ${i + 1}`);
      }
    },
  },
  {
    id: "http-pipelining",
    clause: "RFC 9112 §9.3.2",
    title: "requests that are sent without waiting are answered in their order",
    async run(kit) {
      const { door } = kit.master;
      const one = await kit.connect(door, kit.master);
      const numbers = [1, 2, 3, 4];
      one.send(
        Buffer.concat(numbers.map((number) => requestOf(door, encPath(kit), { body: { number } }))),
      );
      for (const number of numbers) {
        const answer = await one.answer(`the answer for ${number}`);
        if (answer.status === 503 || answer.status === 429) continue;
        kit.keys(answer, `the answer for ${number}`, number);
      }
    },
  },
  {
    id: "http-1.0",
    clause: "RFC 9112 §9.3, Appendix C",
    title: "a request of HTTP/1.0 without Host is answered or refused, and its connection ends",
    async run(kit) {
      const { one, answer } = await raw(kit, `GET ${encPath(kit)} HTTP/1.0\r\n\r\n`, "HTTP/1.0");
      kit.is(answer, [200, 400, 426, 503, 505], "HTTP/1.0");
      if (answer.status === 200) kit.keys(answer, "HTTP/1.0", 1);
      if (answer.headers["transfer-encoding"] !== undefined) {
        throw new Broken("HTTP/1.0 is answered in chunks");
      }
      if ((await one.next()) !== "(closed)") throw new Broken("the connection does not end");
    },
  },
  {
    id: "http-host",
    clause: "RFC 9112 §3.2",
    title: "a request of HTTP/1.1 without Host is refused",
    level: "should",
    async run(kit) {
      const { answer } = await raw(kit, `GET ${encPath(kit)} HTTP/1.1\r\n\r\n`, "without Host");
      kit.is(answer, [400], "without Host");
    },
  },
  {
    id: "http-chunked",
    clause: "RFC 9112 §7.1",
    title: "a body in chunks, cut anywhere, with extensions and trailers, is a body",
    async run(kit) {
      const body = '5;a=b\r\n{"num\r\n1\r\nb\r\n7\r\ner": 2}\r\n0\r\nX-More: 1\r\n\r\n';
      const head = `POST ${encPath(kit)} HTTP/1.1\r\n${hostOf(kit)}\r\nContent-Type: application/json\r\n`;
      const { answer } = await raw(
        kit,
        `${head}Transfer-Encoding: chunked\r\n\r\n${body}`,
        "chunks",
      );
      if (answer.status === 503) throw new NotApplicable("not applicable, because stock is short");
      kit.keys(answer, "a body in chunks", 2);
    },
  },
  {
    id: "http-smuggling",
    clause: "RFC 9112 §6.3",
    title:
      "a request with both Content-Length and Transfer-Encoding, or with two lengths, is refused",
    async run(kit) {
      const head = `POST ${encPath(kit)} HTTP/1.1\r\n${hostOf(kit)}\r\n`;
      const both = `${head}Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n`;
      const two = `${head}Content-Length: 2\r\nContent-Length: 13\r\n\r\n{"number": 2}`;
      for (const bytes of [both, two]) {
        const one = await kit.connect(kit.master.door, kit.master);
        one.send(bytes);
        const answer = await one.next();
        if (answer === "(silence)") throw new Broken("an ambiguous request: no answer");
        if (answer !== "(closed)") kit.is(answer, [400, 501], "an ambiguous request");
      }
      await kit.alive("after it");
    },
  },
  {
    id: "http-bytewise",
    clause: "RFC 9112 §2.1",
    title: "a request that comes byte by byte is a request",
    async run(kit) {
      const { door } = kit.master;
      const one = await kit.connect(door, kit.master);
      for (const byte of requestOf(door, encPath(kit), { body: { number: 2 } })) {
        one.send(Buffer.from([byte]));
        await new Promise((resolve) => setImmediate(resolve));
      }
      const answer = await one.answer("byte by byte");
      if (answer.status === 503) throw new NotApplicable("not applicable, because stock is short");
      kit.keys(answer, "byte by byte", 2);
    },
  },
  {
    id: "http-cut",
    clause: "RFC 9112 §8",
    title: "a body of which half arrives asks for nothing: its keys can be fetched after",
    async run(kit) {
      const keys = await kit.given();
      const { door } = kit.slave;
      const body = { key_IDs: keys.map(({ id: key_ID }) => ({ key_ID })) };
      const path = kit.path(kit.slave, kit.master.id, "dec_keys");
      const one = await kit.connect(door, kit.slave);
      one.send(requestOf(door, path, { body }).subarray(0, -1));
      await pause(50);
      one.close();
      await kit.fetched(keys, "dec_keys after half a request");
    },
  },
  {
    id: "http-expect",
    clause: "RFC 9110 §10.1.1",
    title: "a client that waits for 100 (Continue) is not left waiting",
    async run(kit) {
      const { door } = kit.master;
      const whole = requestOf(door, encPath(kit), {
        body: { number: 1 },
        headers: { Expect: "100-continue" },
      });
      const end = whole.indexOf("\r\n\r\n") + 4;
      const one = await kit.connect(door, kit.master);
      const heard = new Promise<void>((resolve) => one.socket.once("data", () => resolve()));
      one.send(whole.subarray(0, end));
      await Promise.race([heard, pause(1_000)]);
      one.send(whole.subarray(end));
      kit.is(await one.answer("with Expect"), [200, 417, 429, 503], "with Expect");
    },
  },
  {
    id: "http-percent",
    clause: "§5, RFC 3986 §2.3",
    title: "a SAE ID in the path that is percent-encoded is the same ID",
    async run(kit) {
      const path = encPath(kit).replace(encodeURIComponent(kit.slave.id), encoded(kit.slave.id));
      const keys = kit.keys(await kit.patient(kit.master, path, { body: {} }), "enc_keys", 1);
      const query = `?key_ID=${keys[0]?.id.replaceAll("-", "%2D")}`;
      const there = kit
        .path(kit.slave, kit.master.id, "dec_keys", query)
        .replace(encodeURIComponent(kit.master.id), encoded(kit.master.id).toUpperCase());
      same(kit.keys(await kit.patient(kit.slave, there), "dec_keys"), keys, "percent-encoded IDs");
    },
  },
  {
    id: "http-absolute",
    clause: "RFC 9112 §3.2.2",
    title: "a request whose target is a whole URL is the same request",
    async run(kit) {
      const { serverName, port } = kit.master.door;
      const path = `https://${serverName}:${port}${encPath(kit)}`;
      kit.keys(await kit.patient(kit.master, path, { body: { number: 2 } }), "a whole URL", 2);
    },
  },
  {
    id: "http-percent-wrong",
    clause: "RFC 3986 §2.1",
    title: "a path that is no percent-encoded UTF-8 is refused, and the KME goes on",
    async run(kit) {
      const { prefix } = kit.master.door;
      for (const id of ["%", "%zz", "%ff", "%c0%af", "a%00b", "..%2f..", ""]) {
        const answer = await kit.ask(kit.master, `${prefix}/api/v1/keys/${id}/enc_keys`);
        kit.is(answer, [400, 401, 403, 404], `SAE ID ${JSON.stringify(id)}`);
      }
      await kit.alive("after it");
    },
  },
  {
    id: "http-nonsense",
    clause: "RFC 9112 §2.2",
    title: "bytes that are no request are refused or cut off, and the KME goes on",
    async run(kit) {
      for (const bytes of [
        "\r\n\r\nhello\r\n\r\n",
        "GET  / HTTP/1.1\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "\0\0\0\0\r\n\r\n",
      ]) {
        const one = await kit.connect(kit.master.door, kit.master);
        one.send(bytes);
        const answer = await one.next();
        if (answer === "(silence)") throw new Broken("nonsense: neither refused nor cut off");
        if (answer !== "(closed)") kit.is(answer, [400, 404, 405, 501, 505], "nonsense");
      }
      await kit.alive("after it");
    },
  },
  {
    id: "http-idempotency",
    clause: "beyond the standard",
    title:
      "a request that is repeated under its Idempotency-Key has the same answer, and costs no key",
    level: "should",
    async run(kit) {
      const headers = { "Idempotency-Key": `conform-${Date.now()}` };
      const ask = () => kit.patient(kit.master, encPath(kit), { body: { number: 2 }, headers });
      const first = kit.keys(await ask(), "enc_keys", 2);
      const second = kit.keys(await ask(), "enc_keys again", 2);
      if (first[0]?.id !== second[0]?.id) {
        throw new NotApplicable("not applicable, because the KME knows no Idempotency-Key");
      }
      same(second, first, "the same question again");
    },
  },
];
