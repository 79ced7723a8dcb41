/** Key supply over HTTPS to a server that answers what the test says. */

import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { connect } from "node:tls";
import { systemClock } from "../../src/base/clock.ts";
import { ms } from "../../src/base/duration.ts";
import { HttpsSupply, type HttpsSupplyOptions } from "../../src/node/io/https-supply.ts";
import type { KmSink } from "../../src/node/keys/ports.ts";
import { QkdKey } from "../../src/port/key.ts";
import { Heard } from "../../src/wire/kq1/heard.ts";
import { type Authority, createAuthority } from "../emulator/certificates.ts";

const authority: Promise<Authority> = createAuthority("HTTPS CA");

export function key(n: number): QkdKey {
  const id = `00000000-0000-8000-8000-${n.toString(16).padStart(12, "0")}`;
  const facts = { ref: { epoch: "0".repeat(16), number: n }, bits: 256 };
  return new QkdKey(id, facts, Buffer.alloc(32, n + 1), 256);
}

export interface HttpsLine {
  readonly supply: HttpsSupply;
  /** key_IDs that came, in order. */
  readonly came: string[];
  readonly answers: string[];
  /** What was heard of the KM. */
  readonly heard: Heard;
  /** Connections that the server took so far. */
  connections(): number;
  answered(count: number): Promise<void>;
  /** Resolves once another client has connected and is gone again. */
  stranger(): Promise<void>;
}

export type Serve = (request: IncomingMessage, response: ServerResponse, keyId: string) => void;

/** Called with the headers of a request alone. @returns whether it has dealt with the request */
type Begin = (request: IncomingMessage, response: ServerResponse) => boolean;

export async function withHttpsKm(
  most: number,
  serve: Serve,
  body: (line: HttpsLine) => Promise<void>,
  { sink, ...change }: Partial<HttpsSupplyOptions> & { readonly sink?: KmSink } = {},
  begin: Begin = () => false,
): Promise<void> {
  const ca = await authority;
  const km = await ca.issue({ commonName: "km", ip: ["127.0.0.1"], usage: "server" });
  const node = await ca.issue({ commonName: "node", dns: ["node"], usage: "client" });
  const came: string[] = [];
  const server = createServer(
    { ...km, ca: ca.cert, requestCert: true, minVersion: "TLSv1.3", keepAliveTimeout: 60_000 },
    (request, response) => {
      if (begin(request, response)) return;
      const chunks: Buffer[] = [];
      request.on("error", () => {});
      request.on("data", (chunk: Buffer) => chunks.push(chunk));
      request.on("end", () => {
        const { key_ID } = JSON.parse(Buffer.concat(chunks).toString());
        came.push(key_ID);
        serve(request, response, key_ID);
      });
    },
  );
  let connected = 0;
  server.on("secureConnection", () => connected++);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const answers: string[] = [];
  const heard = new Heard();
  let check = () => {};
  const supply = new HttpsSupply(
    {
      endpoint: {
        host: "127.0.0.1",
        port,
        // An address: there is no SNI for it, and the certificate carries it.
        serverName: "127.0.0.1",
        tls: { ...node, ca: ca.cert },
        connectTimeout: ms(5_000),
      },
      path: "/{qkd_module_ID}/{matching_qkd_module_ID}",
      moduleId: "A/1",
      matchingModuleId: "B 2",
      window: 16,
      connections: most,
      answerTimeout: ms(20_000),
      heard,
      clock: systemClock,
      ...change,
    },
    {
      answered: (key, response) => {
        answers.push(`${Number.parseInt(key.id.slice(-12), 16)} ${response}`);
        sink?.answered(key, response);
        check();
      },
    },
  );
  const answered = (count: number) =>
    new Promise<void>((resolve) => {
      check = () => answers.length >= count && resolve();
      check();
    });
  const stranger = () =>
    new Promise<void>((resolve, reject) => {
      const socket = connect({ host: "127.0.0.1", port, ca: ca.cert, ...node }, () => socket.end());
      socket.resume().once("error", reject).once("close", resolve);
    });
  try {
    const connections = () => connected;
    await body({ supply, came, answers, heard, connections, answered, stranger });
  } finally {
    await supply.close();
    // None is taken any more before those that there are go.
    const closed = new Promise((resolve) => server.close(resolve));
    server.closeAllConnections();
    await closed;
  }
}
