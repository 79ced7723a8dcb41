import { once } from "node:events";
import type { ServerResponse } from "node:http";
import { text } from "node:stream/consumers";
import { connect } from "node:tls";
import test, { type ExecutionContext } from "ava";
import { HttpServer } from "../../../../src/host/http/server.ts";
import { createAuthority } from "../../../emulator/certificates.ts";

const times = { handshake: 10_000, request: 10_000, idle: 10_000, stalled: 10_000 };

/** Asks a server that answers everything with 401, by what a client names in the handshake. */
async function ask(t: ExecutionContext, protocol: string, request: string): Promise<string> {
  const authority = await createAuthority("test CA");
  const own = await authority.issue({ commonName: "s", dns: ["s"], usage: "server" });
  const tls = { ca: authority.cert, ...own };
  const serve = async (_request: unknown, response: ServerResponse) => {
    response.writeHead(401, { connection: "close" }).end();
  };
  const server = new HttpServer({ tls, clients: false, times, most: 8, serve });
  t.teardown(() => server.close());
  const { port } = await server.listen("127.0.0.1", 0);
  const ALPNProtocols = [protocol];
  const socket = connect({ port, ca: authority.cert, servername: "s", ALPNProtocols });
  await once(socket, "secureConnect");
  t.is(socket.alpnProtocol, protocol);
  socket.write(request);
  return text(socket);
}

test("a client that names HTTP/1.0 alone in its handshake is heard", async (t) => {
  t.regex(await ask(t, "http/1.0", "GET / HTTP/1.0\r\n\r\n"), /^HTTP\/1\.1 401 /);
});

test("a request that expects what is not known is answered as any other", async (t) => {
  const request = "GET / HTTP/1.1\r\nHost: s\r\nExpect: something\r\n\r\n";
  t.regex(await ask(t, "http/1.1", request), /^HTTP\/1\.1 401 /);
});

test("a request with two Host fields is refused, also where both are the same", async (t) => {
  for (const other of ["other", "s"]) {
    const request = `GET / HTTP/1.1\r\nHost: s\r\nHost: ${other}\r\n\r\n`;
    t.regex(await ask(t, "http/1.1", request), /^HTTP\/1\.1 400 /, other);
  }
});

const body = "Host: s\r\nTransfer-Encoding: CODING\r\n\r\n2\r\n{}\r\n0\r\n\r\n";
for (const [coding, status] of [
  ["gzip, chunked", 501],
  ["identity, chunked", 501],
  ["Chunked", 401],
] as const) {
  test(`a body in the transfer coding "${coding}" is answered ${status}`, async (t) => {
    const request = `POST / HTTP/1.1\r\n${body.replace("CODING", coding)}`;
    t.regex(await ask(t, "http/1.1", request), new RegExp(`^HTTP/1\\.1 ${status} `));
  });
}
