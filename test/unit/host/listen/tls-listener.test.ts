import { once } from "node:events";
import { connect as connectTcp } from "node:net";
import { type ConnectionOptions, connect, type TLSSocket } from "node:tls";
import test from "ava";
import { systemClock } from "../../../../src/base/clock.ts";
import { silentLog } from "../../../../src/base/log.ts";
import {
  type TlsClient,
  TlsListener,
  type TlsListenerOptions,
} from "../../../../src/host/listen/tls-listener.ts";
import { createAuthority } from "../../../emulator/certificates.ts";
import { eventually } from "../../../eventually.ts";

const places = {
  strangers: 8,
  strangersOfOne: 8,
  kept: 16,
  keptOfOne: 2,
  rate: { burst: 100, refillMs: 1 },
};

async function setUp(options: Partial<TlsListenerOptions> = {}) {
  const ca = await createAuthority("CA");
  const identity = async (name: string, by = ca) => {
    return { ...(await by.issue({ commonName: name, dns: [name], usage: "both" })), ca: ca.cert };
  };
  const tls = await identity("s");
  const clients: TlsClient[] = [];
  const listener = new TlsListener({
    code: "ck.connect",
    name: "Ck",
    peers: "clients",
    host: "127.0.0.1",
    port: 0,
    tls,
    protocols: ["p/2", "p/1"],
    handshakeMs: 10_000,
    places,
    clock: systemClock,
    log: silentLog,
    onClient: (client) => {
      if (client.keep()) clients.push(client);
    },
    ...options,
  });
  const port = await listener.listen();
  const own = await identity("c");
  /** @returns the socket, and the error of its handshake if there was one */
  const open = async (more: ConnectionOptions = {}) => {
    const socket = connect({ port, host: "127.0.0.1", ...own, servername: "s", ...more });
    let error: string | undefined;
    socket.on("error", ({ code }: NodeJS.ErrnoException) => {
      error ??= code;
    });
    await Promise.race([once(socket, "secureConnect"), once(socket, "close")]).catch(() => {});
    return { socket, error: () => error };
  };
  const gone = (socket: TLSSocket) =>
    eventually("it is cut off", () => socket.destroyed || socket.readableEnded);
  return { ca, identity, tls, own, listener, port, clients, open, gone };
}

test("a client is handed over with its names, and the protocol that was agreed on", async (t) => {
  const { listener, clients, open } = await setUp();
  for (const [offered, agreed] of [
    [["p/1"], "p/1"],
    [["p/1", "p/2"], "p/2"],
    [undefined, undefined],
  ] as const) {
    const { socket } = await open(offered === undefined ? {} : { ALPNProtocols: [...offered] });
    const client = await eventually("the client", () => clients.shift());
    t.is(client?.protocol, agreed);
    t.like(client?.peer, { peerNames: ["c"], group: "X25519MLKEM768" });
    socket.destroy();
  }
  const { error } = await open({ ALPNProtocols: ["p/3"] });
  await eventually("it is told", () => error(), { matches: /NO_APPLICATION_PROTOCOL/ });
  t.deepEqual(listener.keyExchanges, ["X25519MLKEM768"]);
  await listener.close();
});

test("who has no certificate, one of another CA, or TLS 1.2 alone, is none", async (t) => {
  const { listener, clients, open, identity, gone, own } = await setUp();
  const { cert, key } = await identity("c", await createAuthority("Other CA"));
  for (const more of [{ cert, key }, { cert: "", key: "" }, { maxVersion: "TLSv1.2" }] as const) {
    const { socket } = await open({ ...own, ...more });
    await gone(socket);
  }
  t.deepEqual(clients, []);
  await listener.close();
});

test("a client has so many places, and loses them when its certificate is taken back", async (t) => {
  const { ca, listener, clients, open, gone, tls, own } = await setUp();
  const first = await open();
  const second = await open();
  await eventually("both", () => clients.length, { is: 2 });
  await gone((await open()).socket);
  t.is(clients.length, 2);
  t.throws(() => listener.renew({ ...tls, crl: "nothing" }));
  listener.recheck();
  t.false(first.socket.destroyed || second.socket.destroyed);
  listener.renew({ ...tls, crl: await ca.revoke([own.cert]) });
  await gone(first.socket);
  await gone(second.socket);
  await gone((await open()).socket);
  t.is(clients.length, 2);
  await listener.close();
});

test("a handshake that does not come, and one that is under way at the end, are cut", async (t) => {
  for (const handshakeMs of [50, 60_000]) {
    const { listener, port } = await setUp({ handshakeMs });
    const stranger = connectTcp(port, "127.0.0.1");
    stranger.on("error", () => {});
    await once(stranger, "connect");
    if (handshakeMs === 50)
      await eventually("it is cut", () => stranger.destroyed || stranger.readableEnded);
    await listener.close();
    await eventually("it is cut", () => stranger.destroyed || stranger.readableEnded);
    stranger.destroy();
  }
  const taken = await setUp();
  await t.throwsAsync(setUp({ port: taken.port }), {
    code: "ck.connect",
    message: /^cannot listen for clients/,
  });
  await taken.listener.close();
});
