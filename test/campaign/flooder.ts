/**
 * A process that sends hostile requests to one door of a node, as fast as it is let: see `floods.ts`. It
 * prints how many it has sent, once a second, and ends after the last.
 */
import { readFileSync } from "node:fs";
import { connect, createConnection, type Socket } from "node:net";
import { join } from "node:path";
import { connect as connectTls, createServer, type TLSSocket } from "node:tls";
import { encodeRequest } from "../../src/ops/local/protocol.ts";
import { frame } from "../emulator/km/raw-client.ts";

export interface FloodOrder {
  readonly door: "server" | "km" | "page" | "local";
  readonly rounds: number;
  readonly port: number;
  /** Where certificates and sockets are. */
  readonly folder: string;
}

/** Connections at once. */
const slots = 32;
/** A connection that nothing comes of is given up, ms. */
const patience = { server: 200, page: 200, local: 10, km: 0 } as const;

const order = JSON.parse(process.argv[2] ?? "") as FloodOrder;
let sent = 0;

/** Uses a connection, and resolves when it is over. */
function use(socket: Socket, requests: number, act: (socket: Socket) => void): Promise<void> {
  sent += requests;
  return new Promise((resolve) => {
    const end = setTimeout(() => socket.destroy(), patience[order.door]);
    socket
      .on("error", () => {})
      .once("close", () => {
        clearTimeout(end);
        resolve();
      });
    act(socket);
  });
}

const file = (name: string) => readFileSync(join(order.folder, name));

function tls(name: string | undefined, localAddress: string): TLSSocket {
  const options = {
    host: "127.0.0.1",
    port: order.port,
    localAddress,
    servername: "node",
    ca: file("ca.crt"),
    ...(name !== undefined && { cert: file(`${name}.crt`), key: file(`${name}.key`) }),
  };
  return connectTls(options);
}

const paths = ["/api/v1/keys/QKD-B-0001/status", "/api/v1/keys/QKD-B-0001/enc_keys", "/x", "//"];

/** Strangers without and with a certificate, at the server of keys. */
function atServer(n: number): Promise<void> {
  const localAddress = `127.0.2.${n % 200}`;
  const tcp = () => connect({ host: "127.0.0.1", port: order.port, localAddress });
  switch (n % 16) {
    case 0:
      return use(tls("eve", "127.0.2.1"), 16, (socket) => {
        socket.once("data", () => socket.destroy());
        const text = paths.map((path) => `GET ${path} HTTP/1.1\r\nHost: node\r\n\r\n`).join("");
        socket.write(text.repeat(4));
      });
    case 1:
      return use(tls(undefined, "127.0.2.1"), 1, (socket) =>
        socket.write("GET / HTTP/1.1\r\n\r\n"),
      );
    case 2:
      return use(tls("former", "127.0.2.1"), 1, () => {});
    case 3:
      return use(tcp(), 1, () => {});
    case 4:
      return use(tcp(), 1, (socket) => socket.write("GET / HTTP/1.1\r\n\r\n"));
    default:
      return use(tcp(), 1, (socket) => socket.once("connect", () => socket.destroy()));
  }
}

const asked = ["/api/state", "/api/history?module=alice&window=24h", "/metrics", "/uplot.js", "/x"];

/** Everything that a page has, sixteen at a time, read or not. */
function atPage(n: number): Promise<void> {
  const localAddress = `127.0.2.${n % 8}`;
  const socket = connect({ host: "127.0.0.1", port: order.port, localAddress });
  return use(socket, 16, () => {
    if (n % 2 === 0) socket.resume();
    const text = (i: number) =>
      `GET ${asked[(n + i) % asked.length]} HTTP/1.1\r\nHost: localhost\r\n\r\n`;
    socket.write(Array.from({ length: 16 }, (_, i) => text(i)).join(""));
  });
}

/** What may only look: all there is, followers, what is no request, and who says nothing. */
function atLocal(n: number): Promise<void> {
  const socket = createConnection(join(order.folder, "state", "control.read"));
  const names = ["status", "history", "keys", "logs", "telemetry"] as const;
  return use(socket, 1, () => {
    if (n % 4 === 0) socket.once("data", () => socket.destroy());
    else if (n % 4 === 1) socket.once("connect", () => socket.destroy());
    if (n % 7 === 0) return void socket.write("x".repeat(5_000));
    const name = names[n % names.length] as (typeof names)[number];
    socket.write(encodeRequest(name, { follow: n % 3 === 0 }));
  });
}

/** A KM that asks and asks, and reads what it is answered or does not. */
function asKm(): Promise<void> {
  const payloads = ["{}", '{"number":0}', '{"number":1000000}', '{"size":7}'];
  const flood = Buffer.concat(
    Array.from({ length: 4_000 }, (_, n) =>
      frame(n, payloads[n % payloads.length] as string, { code: 3 }),
    ),
  );
  return new Promise((resolve) => {
    let nth = 0;
    const identity = { cert: file("flood.crt"), key: file("flood.key"), ca: file("ca.crt") };
    const server = createServer({ ...identity, requestCert: true }, (socket) => {
      if (nth++ % 2 === 0) socket.resume();
      else socket.pause();
      const more = () => {
        if (sent >= order.rounds) {
          socket.destroy();
          server.close(() => resolve());
        } else if (!socket.destroyed) {
          // What the system has taken counts.
          socket.write(flood, (error) => {
            if (!error) sent += 4_000;
            more();
          });
        }
      };
      socket.on("error", () => {});
      more();
    });
    server.listen(order.port, "127.0.0.1");
  });
}

async function main(): Promise<void> {
  const telling = setInterval(() => process.stdout.write(`${sent}\n`), 1_000);
  if (order.door === "km") await asKm();
  else {
    const act = { server: atServer, page: atPage, local: atLocal }[order.door];
    let n = 0;
    const slot = async () => {
      while (sent < order.rounds) await act(n++);
    };
    await Promise.all(Array.from({ length: slots }, slot));
  }
  clearInterval(telling);
  process.stdout.write(`${sent}\n`);
}

await main();
