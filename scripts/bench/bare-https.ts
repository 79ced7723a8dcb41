/**
 * The least that keys over HTTPS could cost: a process that answers whatever it is asked with bytes that were made once,
 * over the same TLS and the same Node.js server as a key manager's door, and knows nothing of keys.
 */
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { HttpServer } from "../../src/host/http/server.ts";

export interface BareOrder {
  /** Files of PEM. */
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
  /** Keys in an answer. */
  readonly number: number;
}

function bodyOf(number: number): Buffer {
  const key = Buffer.alloc(32, 7).toString("base64");
  const keys = Array.from({ length: number }, () => ({ key_ID: randomUUID(), key }));
  return Buffer.from(JSON.stringify({ keys }));
}

async function serve({ ca, cert, key, number }: BareOrder): Promise<AddressInfo> {
  const text = (file: string) => readFileSync(file, "utf8");
  const body = bodyOf(number);
  const server = new HttpServer({
    tls: { ca: text(ca), cert: text(cert), key: text(key) },
    clients: true,
    times: { handshake: 10_000, request: 10_000, idle: 60_000, stalled: 60_000 },
    most: 4_096,
    async serve(request, response) {
      request.resume();
      response.writeHead(200, {
        "content-type": "application/json",
        "cache-control": "no-store",
        "content-length": body.length,
      });
      response.end(body);
    },
  });
  return server.listen("127.0.0.1", 0);
}

process.once("message", async (order: BareOrder) => {
  process.send?.((await serve(order)).port);
});
process.once("disconnect", () => process.exit(0));
