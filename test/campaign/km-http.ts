/**
 * What no node would send to a key manager's HTTPS server, from one whose certificate is good: whole messages
 * that were mutated, framing that contradicts itself, bodies of any form and length. It answers with a status of
 * its own or ends the connection, keeps serving, keeps its memory, and says no byte of a key.
 */
import { createHash } from "node:crypto";
import { connect, type TLSSocket } from "node:tls";
import { random } from "../random.ts";
import { Canary, canaryBytes } from "../rig/canary.ts";
import { nodeTexts, serve } from "../rig/kq1-servers.ts";
import { inUse } from "../rig/memory.ts";

export interface HttpFuzzResult {
  readonly inputs: number;
  /** Inputs that got an answer of HTTP. */
  readonly answered: number;
  /** Good messages among them that were not taken. */
  readonly refused: number;
  /** Bytes in use that were added after the first tenth. */
  readonly growth: number;
  readonly broken: readonly string[];
}

const path = "/api/v1/keys/QKD-B-0001/store_key";
/** Statuses of the profile, and those by which Node.js refuses framing. */
const statuses = new Set([
  100, 200, 400, 404, 405, 408, 409, 413, 415, 417, 422, 426, 429, 431, 501, 503, 505,
]);
const perLook = 40;
const atOnce = 8;
const longest = 3_000_000;

type Draw = () => number;
const whole = (draw: Draw, below: number) => Math.floor(draw() * below);
const one = <T>(draw: Draw, of: readonly T[]) => of[whole(draw, of.length)] as T;

function uuid(draw: Draw): string {
  const digits = Array.from({ length: 32 }, () => whole(draw, 16).toString(16)).join("");
  return digits.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

function message(draw: Draw, key: Buffer): string {
  return JSON.stringify({
    qkd_module_ID: "QKD-A-0001",
    matching_qkd_module_ID: "QKD-B-0001",
    key_ID: uuid(draw),
    hash_value: `sha-256:${createHash("sha256").update(key).digest("hex")}`,
    key: key.toString("base64"),
  });
}

function framed(body: string | Buffer, more = "", at = path): Buffer {
  const bytes = Buffer.from(body);
  const head = `POST ${at} HTTP/1.1\r\nHost: km\r\n${more}Content-Length: ${bytes.length}\r\n\r\n`;
  return Buffer.concat([Buffer.from(head, "latin1"), bytes]);
}

/** Bytes of it turned, taken out, put in, doubled, cut off. */
function mutated(draw: Draw, bytes: Buffer): Buffer {
  let made = Buffer.from(bytes);
  for (let n = 1 + whole(draw, 6); n > 0; n--) {
    const at = whole(draw, made.length + 1);
    const some = made.subarray(at, at + 1 + whole(draw, 40));
    const way = draw();
    if (way < 0.4 && at < made.length) made[at] = whole(draw, 256);
    else if (way < 0.55)
      made = Buffer.concat([made.subarray(0, at), made.subarray(at + some.length)]);
    else if (way < 0.75) made = Buffer.concat([made.subarray(0, at), some, made.subarray(at)]);
    else if (way < 0.9) {
      const odd = one(draw, [
        "\0",
        "\r",
        "\n",
        '"',
        "\\u0000",
        "{",
        "]",
        "\xff\xfe",
        "1e999",
        "-0",
      ]);
      made = Buffer.concat([made.subarray(0, at), Buffer.from(odd, "latin1"), made.subarray(at)]);
    } else made = made.subarray(0, at);
  }
  return made;
}

const kinds: readonly ((draw: Draw, key: Buffer) => Buffer)[] = [
  (draw, key) => mutated(draw, framed(message(draw, key))),
  (draw, key) => framed(mutated(draw, Buffer.from(message(draw, key)))),
  (draw, key) =>
    framed(`{"keys":[${mutated(draw, Buffer.from(message(draw, key))).toString("latin1")}]}`),
  (draw) => Buffer.from(Array.from({ length: whole(draw, 3_000) }, () => whole(draw, 256))),
  // Framing that says two things.
  (draw, key) => {
    const body = message(draw, key);
    const length = one(draw, ["-1", "0", "99999999999999999999", "1e3", "0x10", " 5", "5, 5", ""]);
    const more = one(draw, ["", "Transfer-Encoding: chunked\r\n", "Content-Length: 3\r\n"]);
    return Buffer.from(
      `POST ${path} HTTP/1.1\r\nHost: km\r\n${more}Content-Length: ${length}\r\n\r\n${body}`,
    );
  },
  (draw, key) => {
    const size = one(draw, ["FFFFFFFFFFFFFFFFF", "-1", "zz", "5;a=b", "0", "7fffffff", "1\n"]);
    const head = `POST ${path} HTTP/1.1\r\nHost: km\r\nTransfer-Encoding: chunked\r\n\r\n`;
    return Buffer.from(`${head}${size}\r\n${message(draw, key)}\r\n0\r\n\r\n`);
  },
  (draw, key) => {
    const word = one(draw, [
      "Expect: 100-continue",
      "Expect: 1",
      "Upgrade: h2c\r\nConnection: Upgrade",
      "Content-Encoding: gzip",
      "Connection: close",
      `X: ${"y".repeat(whole(draw, 20_000))}`,
      "Content-Type: text/html; charset=utf-7",
    ]);
    return framed(message(draw, key), `${word}\r\n`);
  },
  (draw, key) => {
    const at = one(draw, [
      "*",
      "/",
      "//",
      "/../../etc/passwd",
      "http://km/",
      `${path}?${"a=b&".repeat(500)}`,
      path.replace("B-0001", "%00%ff%zz"),
      `/${"a/".repeat(3_000)}`,
      path.replace("B-0001", "B-0002"),
    ]);
    return framed(message(draw, key), "", at);
  },
  (draw, key) => {
    const method = one(draw, [
      "GET",
      "PUT",
      "DELETE",
      "TRACE",
      "CONNECT",
      "PRI",
      "OPTIONS",
      "post",
    ]);
    return Buffer.concat([Buffer.from(method), framed(message(draw, key)).subarray(4)]);
  },
  (draw) => framed(one(draw, ["[", '{"keys":[', '{"a":', "[[],"]).repeat(1 + whole(draw, 50_000))),
  (draw) => framed(Buffer.alloc(1 + whole(draw, longest), one(draw, [0x20, 0x30, 0x5b, 0x22, 0]))),
  (draw, key) => framed(`{"keys":[${`${message(draw, key)},`.repeat(1 + whole(draw, 400))}1]}`),
  // Several, one after the other, of which some are good.
  (draw, key) =>
    Buffer.concat([framed(message(draw, key)), mutated(draw, framed("{}")), framed("null")]),
  () => Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0", "latin1"),
  (draw, key) => framed(message(draw, key)).subarray(0, whole(draw, 400)),
];

/** After all is written: goes at once, says that no more comes, or waits until the server ends it. */
type End = "leaves" | "ends" | "waits";

/** Sends it in pieces, and hears what comes until the connection ends. */
function said(socket: TLSSocket, input: Buffer, draw: Draw, how: End): Promise<string> {
  const cuts = whole(draw, 3);
  return new Promise((resolve) => {
    let text = "";
    socket.on("data", (chunk: Buffer) => {
      text += chunk.toString("latin1");
    });
    socket.on("error", () => {});
    socket.once("close", () => resolve(text));
    socket.once("secureConnect", () => {
      let at = 0;
      for (let n = 0; n < cuts; n++) {
        const end = at + whole(draw, input.length - at + 1);
        socket.write(input.subarray(at, end));
        at = end;
      }
      socket.write(input.subarray(at), () => {
        if (how === "leaves") socket.destroy();
        else if (how === "ends") socket.end();
      });
    });
  });
}

/** @param count inputs */
export async function kmHttpFuzz(count: number, seed: number): Promise<HttpFuzzResult> {
  const draw = random(seed);
  const canary = new Canary();
  const times = { handshake: 5_000, message: 500, idle: 500 };
  const { server, port, lines } = await serve({ https: true, times });
  const tls = await nodeTexts();
  const broken: string[] = [];
  const thrown = (error: unknown) => broken.push(`thrown: ${(error as Error)?.stack ?? error}`);
  process.on("uncaughtException", thrown).on("unhandledRejection", thrown);
  let answered = 0;
  let refused = 0;
  let before = 0;
  const key = () => {
    const bytes = canary.key();
    return bytes.length === canaryBytes ? bytes : Buffer.alloc(canaryBytes);
  };
  const open = () => connect({ host: "127.0.0.1", port, servername: "km", ...tls });
  try {
    for (let n = 0; n < count; n += atOnce) {
      const inputs = Array.from({ length: Math.min(atOnce, count - n) }, () => {
        const kind = whole(draw, kinds.length);
        const how = one<End>(draw, ["leaves", "ends", "ends", "waits"]);
        return { kind, how, input: (kinds[kind] as (typeof kinds)[number])(draw, key()) };
      });
      const answers = await Promise.all(
        inputs.map(({ input, how }) => said(open(), input, draw, how)),
      );
      for (const [i, text] of answers.entries()) {
        const where = `input ${n + i} of kind ${inputs[i]?.kind}`;
        if (text === "") continue;
        answered++;
        const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(text)?.[1]);
        if (!statuses.has(status)) broken.push(`${where}: answered ${status}`);
        if (canary.isInText(text)) broken.push(`${where}: a key is in the answer`);
      }
      if (n % perLook !== 0) continue;
      const good = await said(
        open(),
        framed(message(draw, key()), "Connection: close\r\n"),
        draw,
        "waits",
      );
      if (!/^HTTP\/1\.1 200 .*"success"/s.test(good)) refused++;
      if (n <= count / 10) before = inUse();
    }
    if (canary.isInText(lines.join("\n"))) broken.push("a key is in the log");
  } finally {
    await server.close();
    process.off("uncaughtException", thrown).off("unhandledRejection", thrown);
  }
  const growth = inUse() - before;
  return { inputs: count, answered, refused, growth, broken };
}
