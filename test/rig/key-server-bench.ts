/** A key server over real TLS, and clients that do with their connections what a test says. */
import { request } from "node:https";
import { connect, type TLSSocket } from "node:tls";
import { silentLog } from "../../src/base/log.ts";
import { KeyServer, type KeyServerOptions } from "../../src/node/io/https-server.ts";
import type { OnRequestKeys } from "../../src/node/keys/ports.ts";
import { createAuthority } from "../emulator/certificates.ts";

export interface Got {
  readonly status: number;
  readonly ids: string[];
  readonly message: string;
  readonly headers: NodeJS.Dict<string | string[]>;
}

export interface Wanted {
  readonly path?: string;
  readonly method?: string;
  readonly headers?: Record<string, string | string[]>;
  readonly body?: string;
  /** Which of the KMs; they have certificates of their own, and one name. */
  readonly km?: 0 | 1;
}

export interface KeyServerBench {
  readonly server: KeyServer;
  readonly port: number;
  /** Asks over a connection of its own, which is closed as soon as all was read. */
  ask(wanted?: Wanted): Promise<Got>;
  /** A connection, for a test to write on. Rejects if the server closes it first. */
  open(km?: 0 | 1): Promise<TLSSocket>;
}

/** A request as a text. */
export function text(query: string): string {
  return `GET /api/v1/keys/B/enc_keys${query} HTTP/1.1\r\nHost: node\r\n\r\n`;
}

export async function withServer(
  desk: OnRequestKeys,
  body: (bench: KeyServerBench) => Promise<void>,
  options: Partial<KeyServerOptions> = {},
): Promise<void> {
  const ca = await createAuthority("key server CA");
  const own = await ca.issue({ commonName: "node", ip: ["127.0.0.1"], usage: "server" });
  const kms = [
    await ca.issue({ commonName: "km", dns: ["km"], usage: "client" }),
    await ca.issue({ commonName: "km", dns: ["km"], usage: "client" }),
  ];
  const server = new KeyServer({
    host: "127.0.0.1",
    port: 0,
    tls: { ...own, ca: ca.cert },
    modules: () => [{ desk, moduleId: "A", matchingModuleId: "B", kmNames: ["km"] }],
    nodeId: "node",
    log: silentLog,
    ...options,
  });
  const port = await server.listen();
  const where = (km: 0 | 1) => ({ host: "127.0.0.1", port, ...kms[km], ca: ca.cert });
  const sockets: TLSSocket[] = [];
  try {
    await body({
      server,
      port,
      ask: ({ path = "", method = "GET", headers = {}, body, km = 0 } = {}) =>
        new Promise((resolve, reject) => {
          const options = { ...where(km), method, headers, agent: false as const };
          const asking = request(
            { ...options, path: `/api/v1/keys/B/enc_keys${path}` },
            (response) => {
              const chunks: Buffer[] = [];
              response.on("data", (chunk: Buffer) => chunks.push(chunk));
              response.once("error", reject);
              response.once("end", () => {
                const read = Buffer.concat(chunks).toString();
                const { keys = [], message = "" } = read === "" ? {} : JSON.parse(read);
                resolve({
                  status: response.statusCode ?? 0,
                  ids: keys.map(({ key_ID }: { key_ID: string }) => key_ID),
                  message,
                  headers: response.headers,
                });
              });
            },
          );
          asking.once("error", reject);
          asking.end(body);
        }),
      open: async (km = 0) => {
        const socket = connect(where(km));
        sockets.push(socket);
        socket.on("error", () => {});
        await new Promise((resolve, reject) => {
          socket.once("secureConnect", resolve);
          socket.once("close", () => reject(new Error("it was closed before it was secure")));
        });
        return socket;
      },
    });
  } finally {
    for (const socket of sockets) socket.destroy();
    await server.close();
  }
}
