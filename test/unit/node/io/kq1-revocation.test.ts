import { once } from "node:events";
import { request as httpsRequest } from "node:https";
import { connect, createServer, type TLSSocket } from "node:tls";
import test, { type ExecutionContext } from "ava";
import { systemClock } from "../../../../src/base/clock.ts";
import { ms } from "../../../../src/base/duration.ts";
import { describe, type Fault } from "../../../../src/base/errors.ts";
import { silentLog } from "../../../../src/base/log.ts";
import { connectKm, type KmEndpoint } from "../../../../src/node/io/connect.ts";
import { KeyServer } from "../../../../src/node/io/https-server.ts";
import { type KmSession, openKmLink } from "../../../../src/node/io/link.ts";
import type { OnRequestKeys } from "../../../../src/node/keys/ports.ts";
import { QkdKey } from "../../../../src/port/key.ts";
import { Heard } from "../../../../src/wire/kq1/heard.ts";
import { type Authority, createAuthority, type Identity } from "../../../emulator/certificates.ts";
import { KeyManager } from "../../../emulator/km/index.ts";
import { eventually } from "../../../eventually.ts";

const never = new AbortController().signal;
const asKm = { commonName: "km", dns: ["km"], usage: "both" } as const;

function key(n: number): QkdKey {
  const id = `00000000-0000-8000-8000-${n.toString(16).padStart(12, "0")}`;
  const facts = { ref: { epoch: "0".repeat(16), number: n }, bits: 256 };
  return new QkdKey(id, facts, Buffer.alloc(32, n + 1), 256);
}

interface Served {
  readonly server: KeyServer;
  readonly tls: { readonly ca: string; readonly cert: string; readonly key: string };
  /** A connection as this client, with `ask`: what the server says first, or `closed`. */
  open(as: Identity, session?: Buffer): Promise<Connection>;
  readonly port: number;
}

interface Connection {
  readonly socket: TLSSocket;
  /** By which it could be resumed. */
  readonly session: Promise<Buffer>;
  ask(): Promise<string>;
}

async function serving(
  t: ExecutionContext,
  ca: Authority,
  more: { readonly crl?: string; readonly ca?: string; readonly allowCommonName?: boolean } = {},
): Promise<Served> {
  const own = await ca.issue({ commonName: "node", ip: ["127.0.0.1"], usage: "server" });
  const { crl, allowCommonName } = more;
  const tls = { ...own, ca: more.ca ?? ca.cert };
  let n = 0;
  const desk: OnRequestKeys = {
    unitBits: 256,
    stored: 9,
    request: async () => ({ response: "success", keys: [key(n++)] }),
  };
  const server = new KeyServer({
    host: "127.0.0.1",
    port: 0,
    tls: { ...tls, ...(crl !== undefined && { crl }) },
    modules: () => [{ desk, moduleId: "A", matchingModuleId: "B", kmNames: ["km"] }],
    nodeId: "node",
    log: silentLog,
    ...(allowCommonName !== undefined && { allowCommonName }),
  });
  const port = await server.listen();
  t.teardown(() => server.close());
  return {
    server,
    tls,
    port,
    async open(as, session) {
      const socket = connect({
        host: "127.0.0.1",
        port,
        ...as,
        ca: ca.cert,
        ...(session !== undefined && { session }),
      });
      t.teardown(() => socket.destroy());
      socket.on("error", () => {});
      const ticket = new Promise<Buffer>((resolve) => socket.once("session", resolve));
      await once(socket, "secureConnect");
      return { socket, session: ticket, ask: () => ask(socket) };
    },
  };
}

/** @returns the status, or `closed` */
function ask(socket: TLSSocket): Promise<string> {
  return new Promise((resolve) => {
    if (socket.destroyed) return resolve("closed");
    let text = "";
    const heard = (chunk: Buffer) => {
      text += chunk;
      if (!text.includes('"response"')) return;
      socket.off("data", heard);
      resolve(text.slice(9, 12));
    };
    socket.on("data", heard);
    socket.once("close", () => resolve("closed"));
    socket.write("GET /api/v1/keys/B/enc_keys HTTP/1.1\r\nHost: node\r\n\r\n");
  });
}

test("a client that is revoked gets no key on the connection that it has, nor with its session", async (t) => {
  const ca = await createAuthority("CA");
  const [revoked, other] = [await ca.issue(asKm), await ca.issue(asKm)];
  const { server, tls, open } = await serving(t, ca, { crl: await ca.revoke([]) });
  const [held, second] = [await open(revoked), await open(other)];
  t.deepEqual([await held.ask(), await second.ask()], ["200", "200"]);
  const ticket = await held.session;
  server.renew({ ...tls, crl: await ca.revoke([revoked.cert]) });
  t.is(await held.ask(), "closed");
  t.is(await (await open(revoked)).ask(), "closed");
  t.is(await (await open(revoked, ticket)).ask(), "closed");
  t.is(await second.ask(), "200", "others go on");
});

test("a session is never resumed: each connection shows its certificate", async (t) => {
  const ca = await createAuthority("CA");
  const client = await ca.issue(asKm);
  const { open } = await serving(t, ca);
  const first = await open(client);
  const again = await open(client, await first.session);
  t.false(again.socket.isSessionReused());
  t.is(await again.ask(), "200");
});

test("a client is out by the second list of a file, and by the authority between", async (t) => {
  const root = await createAuthority("root");
  const sub = await root.subordinate("sub");
  const { cert, key: own } = await sub.issue(asKm);
  const client = { cert: cert + sub.cert, key: own };
  const ca = root.cert + sub.cert;
  const [none, free] = [await root.revoke([]), await sub.revoke([])];
  for (const crl of [none + (await sub.revoke([cert])), (await root.revoke([sub.cert])) + free]) {
    const { server, tls, open } = await serving(t, root, { ca, crl: none + free });
    const held = await open(client);
    t.is(await held.ask(), "200");
    server.renew({ ...tls, crl });
    t.is(await held.ask(), "closed");
    t.is(await (await open(client)).ask(), "closed");
  }
});

test("a CA that is taken out of the bundle takes its clients with it, and no others", async (t) => {
  const [stays, goes] = await Promise.all([createAuthority("stays"), createAuthority("goes")]);
  const crl = (await stays.revoke([])) + (await goes.revoke([]));
  const { server, tls, open } = await serving(t, stays, { ca: stays.cert + goes.cert, crl });
  const [left, held] = [await open(await goes.issue(asKm)), await open(await stays.issue(asKm))];
  t.deepEqual([await left.ask(), await held.ask()], ["200", "200"]);
  server.renew({ ...tls, ca: stays.cert, crl });
  t.deepEqual([await left.ask(), await held.ask()], ["closed", "200"]);
});

test("lists that are of no use change nothing, and are told", async (t) => {
  const ca = await createAuthority("CA");
  const client = await ca.issue(asKm);
  const { server, tls, open } = await serving(t, ca, { crl: await ca.revoke([]) });
  const held = await open(client);
  for (const crl of ["nonsense", await ca.revoke([client.cert], { forged: true })]) {
    t.throws(() => server.renew({ ...tls, crl }), { message: /cannot be used/ });
    t.is(await held.ask(), "200");
  }
  t.is(await (await open(client)).ask(), "200");
});

test("a list that ran out is enforced; where it must be fresh it lets nobody in", async (t) => {
  const ca = await createAuthority("CA");
  const [good, bad] = [await ca.issue(asKm), await ca.issue(asKm)];
  const crl = await ca.revoke([bad.cert], { days: -1 });
  const { server, tls, open } = await serving(t, ca, { crl });
  const held = await open(good);
  t.is(await held.ask(), "200");
  t.is(await (await open(bad)).ask(), "closed");
  server.renew({ ...tls, crl, crlFresh: true });
  t.is(await held.ask(), "closed");
});

test("a client goes by its subject alternative names; by its CN only if it has none and that is allowed", async (t) => {
  const ca = await createAuthority("CA");
  const bare = await ca.issue({ commonName: "km", usage: "client" });
  const other = await ca.issue({ commonName: "km", dns: ["eve"], usage: "client" });
  const strict = await serving(t, ca);
  t.is(await (await strict.open(bare)).ask(), "401");
  t.is(await (await strict.open(other)).ask(), "401");
  const loose = await serving(t, ca, { allowCommonName: true });
  t.is(await (await loose.open(bare)).ask(), "200");
  t.is(await (await loose.open(other)).ask(), "401");
});

test("of a client that is refused no request is heard that came with its handshake", async (t) => {
  const ca = await createAuthority("CA");
  const client = await ca.issue(asKm);
  const { port } = await serving(t, ca, { crl: await ca.revoke([client.cert]) });
  const sent = httpsRequest({
    ...{ host: "127.0.0.1", port, path: "/api/v1/keys/B/enc_keys", agent: false },
    ...{ ...client, ca: ca.cert },
  });
  sent.end();
  const said = await new Promise((resolve) => {
    sent.once("response", () => resolve("answered"));
    sent.once("error", () => resolve("closed"));
  });
  t.is(said, "closed");
});

interface Linked {
  readonly session: KmSession;
  readonly km: KeyManager;
  readonly endpoint: KmEndpoint & { readonly tls: NonNullable<KmEndpoint["tls"]> };
  /** Keys that were answered for. */
  readonly answers: string[];
}

async function linked(
  t: ExecutionContext,
  ca: Authority,
  identity: Identity,
  binding: "tcp" | "https",
): Promise<Linked> {
  const own = await ca.issue({ commonName: "node", dns: ["node"], usage: "client" });
  const km = new KeyManager({ security: { ...identity, ca: ca.cert }, binding });
  const port = await km.listen();
  const tls = { ...own, ca: ca.cert };
  const endpoint = { host: "127.0.0.1", port, serverName: "km", tls, connectTimeout: ms(5_000) };
  const answers: string[] = [];
  const session = await openKmLink(
    {
      name: "km",
      heard: new Heard(),
      endpoint,
      https:
        binding === "https"
          ? { path: "/api/v1/keys/{matching_qkd_module_ID}/store_key", connections: 2 }
          : undefined,
      moduleId: "A",
      matchingModuleId: "B",
      window: 8,
      answerTimeout: ms(5_000),
      desk: undefined,
      clock: systemClock,
      log: silentLog,
    },
    { answered: (_, response) => answers.push(response) },
    never,
  );
  t.teardown(async () => {
    await session.close();
    await km.close();
  });
  return { session, km, endpoint, answers };
}

for (const binding of ["tcp", "https"] as const) {
  test(`a KM that is revoked while it is connected over ${binding} gets no more keys`, async (t) => {
    const ca = await createAuthority("CA");
    const identity = await ca.issue(asKm);
    const { session, km, endpoint, answers } = await linked(t, ca, identity, binding);
    t.deepEqual(session.peer?.peerNames, ["km"]);
    session.supply(key(1));
    await eventually("answers", () => answers.length, { is: 1 });
    const tls = { ...endpoint.tls, crl: await ca.revoke([]) };
    t.is(session.recheck({ ...endpoint, tls }), undefined);
    session.supply(key(2));
    await eventually("answers", () => answers.length, { is: 2 });
    const taken = { ...tls, crl: await ca.revoke([identity.cert]) };
    t.regex(session.recheck({ ...endpoint, tls: taken }) ?? "", /certificate was revoked/);
    session.supply(key(3));
    t.regex(describe(await session.ended), /certificate was revoked/);
    await eventually("connections at the KM", () => km.counts.open, { is: 0 });
    t.is(km.store.size, 2);
  });

  test(`a KM over ${binding} whose CA is trusted no more is left, whatever it would show now`, async (t) => {
    const [old, young] = await Promise.all([createAuthority("old"), createAuthority("young")]);
    const { session, endpoint, answers } = await linked(t, old, await old.issue(asKm), binding);
    session.supply(key(1));
    await eventually("answers", () => answers.length, { is: 1 });
    const both = { ...endpoint.tls, ca: young.cert + old.cert };
    t.is(session.recheck({ ...endpoint, tls: both }), undefined);
    const tls = { ...endpoint.tls, ca: young.cert };
    t.regex(session.recheck({ ...endpoint, tls }) ?? "", /another CA/);
    t.regex(describe(await session.ended), /another CA/);
  });
}

test("over HTTPS a connection that is opened later goes by the certificates of then", async (t) => {
  const ca = await createAuthority("CA");
  const identity = await ca.issue(asKm);
  const { session, endpoint, km } = await linked(t, ca, identity, "https");
  await eventually("connections at the KM", () => km.counts.open, { is: 0 });
  const tls = { ...endpoint.tls, crl: await ca.revoke([identity.cert]) };
  t.is(session.recheck({ ...endpoint, tls }), undefined, "none is open");
  session.supply(key(1));
  t.regex(describe(await session.ended), /certificate was revoked/);
  t.is(km.store.size, 0);
});

test("a KM goes by its subject alternative name and never by its CN", async (t) => {
  const ca = await createAuthority("CA");
  const own = await ca.issue({ commonName: "node", dns: ["node"], usage: "client" });
  const attempt = async (identity: Identity) => {
    const server = createServer({ ...identity, minVersion: "TLSv1.3" }, (one) =>
      one.on("error", () => {}),
    );
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as { port: number };
    const tls = { ...own, ca: ca.cert };
    const endpoint = { host: "127.0.0.1", port, serverName: "km", tls, connectTimeout: ms(5_000) };
    try {
      const socket = await connectKm(endpoint, systemClock, never);
      socket.destroy();
      return "connected";
    } catch (error) {
      return (error as Fault).message;
    } finally {
      server.close();
    }
  };
  const named = (names: object) => ca.issue({ commonName: "km", usage: "server", ...names });
  t.is(await attempt(await named({ dns: ["km"] })), "connected");
  t.regex(await attempt(await named({})), /no subject alternative name/);
  t.regex(await attempt(await named({ ip: ["127.0.0.1"] })), /names another KM/);
});
