/** Certificates of a key manager that are renewed and taken back while it runs. */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect, type TLSSocket } from "node:tls";
import test, { type ExecutionContext } from "ava";
import { eventually } from "../eventually.ts";
import { type KmOfPair, KmPair, type PairApplication } from "../rig/km-pair.ts";
import { deadline } from "../rig/with-rig.ts";

/** A node's connection to a key manager, open when it resolves. */
async function node(t: ExecutionContext, { port, node: files, end }: KmOfPair): Promise<TLSSocket> {
  const [ca, cert, key] = await Promise.all(
    [files.ca, files.cert, files.key].map((file) => readFile(file)),
  );
  const socket = connect({ host: "127.0.0.1", port, ca, cert, key, servername: `km-${end}` });
  t.teardown(() => socket.destroy());
  socket.on("error", () => {});
  await new Promise<void>((resolve, reject) => {
    socket.once("secureConnect", resolve);
    socket.once("close", () => reject(new Error("the key manager took no connection")));
  });
  return socket;
}

const connected = (km: KmOfPair, nodes_connected: number) =>
  eventually("connections of nodes", () => km.status(), { is: { nodes_connected } });

/** An application's connection to a key manager, over which it has asked for its status. */
async function asking(t: ExecutionContext, { url, end }: KmOfPair, one: PairApplication) {
  const [ca, cert, key] = await Promise.all(
    [one.ca, one.cert, one.key].map((file) => readFile(file)),
  );
  const port = Number(new URL(url).port);
  const socket = connect({ host: "127.0.0.1", port, ca, cert, key, servername: `km-${end}` });
  t.teardown(() => socket.destroy());
  socket.on("error", () => {});
  const heard = new Promise<string>((resolve) => socket.once("data", (data) => resolve(`${data}`)));
  socket.write("GET /api/v1/keys/app-b/status HTTP/1.1\r\nHost: km\r\n\r\n");
  const closed = new Promise<string>((resolve) => socket.once("close", () => resolve("(closed)")));
  return { first: await Promise.race([heard, closed]), socket };
}

test.serial(
  "who is taken back is cut and refused also while the key manager's own certificate is half written",
  async (t) => {
    const folder = await mkdtemp(join(tmpdir(), "qkd-km-certificates-"));
    t.teardown(() => rm(folder, { recursive: true }));
    const kms = await KmPair.make({ folder, modules: ["QKD-A-0001", "QKD-B-0001"], crl: true });
    t.teardown(() => kms.stop());
    await kms.start(deadline());
    const { alice, bob, authority } = kms;
    const [good, bad] = alice.applications as [PairApplication, PairApplication];
    const session = async () => (await alice.status()).links[0]?.session;
    await eventually("a session", session, { is: "ready" });
    const connections = [await asking(t, alice, good), await asking(t, alice, bad)] as const;
    for (const { first } of connections) t.regex(first, /^HTTP\/1.1 200 /);
    const supplying = await node(t, alice);
    supplying.resume();

    await writeFile(alice.own.cert, (await readFile(alice.own.cert, "utf8")).slice(0, 300));
    await rm(alice.own.key);
    const taken = [bad.cert, alice.node.cert, bob.own.cert];
    const texts = await Promise.all(taken.map((file) => readFile(file, "utf8")));
    await writeFile(join(folder, "ca.crl"), await authority.revoke(texts));
    alice.process.signal("SIGHUP");
    await alice.process.logged(/msg="certificates cannot be read"/, deadline());
    for (const socket of [connections[1].socket, supplying])
      await eventually("its end", () => socket.destroyed, { is: true });
    await alice.process.logged(/certificate refused: CERT_REVOKED/, deadline());
    t.is((await asking(t, alice, bad)).first, "(closed)");
    t.regex((await asking(t, alice, good)).first, /^HTTP\/1.1 200 /);
    t.false(connections[0].socket.destroyed);
  },
);

test.serial(
  "a renewed certificate is shown to new connections, and who is taken back is cut",
  async (t) => {
    const folder = await mkdtemp(join(tmpdir(), "qkd-km-certificates-"));
    t.teardown(() => rm(folder, { recursive: true }));
    const kms = await KmPair.make({ folder, modules: ["QKD-A-0001", "QKD-B-0001"], crl: true });
    t.teardown(() => kms.stop());
    await kms.start(deadline());
    const { alice, bob, authority } = kms;
    const session = async () => (await alice.status()).links[0]?.session;
    await eventually("a session", session, { is: "ready" });
    const before = await node(t, alice);
    await connected(alice, 1);

    const renewed = await authority.issue({
      commonName: "km-alice",
      dns: ["km-alice"],
      usage: "both",
    });
    await writeFile(alice.own.cert, renewed.cert);
    await writeFile(alice.own.key, renewed.key);
    alice.process.signal("SIGHUP");
    await alice.process.logged(/msg="certificates changed" for=kq1/, deadline());
    await alice.process.logged(/msg="certificates changed" for=kx/, deadline());
    const after = await node(t, alice);
    await connected(alice, 2);
    t.false(before.destroyed);
    const shown = ({ getPeerCertificate }: TLSSocket, of: TLSSocket) =>
      getPeerCertificate.call(of).fingerprint256;
    t.not(shown(after, after), shown(before, before));
    t.is(await session(), "ready");

    const taken = [alice.node.cert, bob.own.cert].map((file) => readFile(file, "utf8"));
    await writeFile(join(folder, "ca.crl"), await authority.revoke(await Promise.all(taken)));
    const closed = [before, after].map((socket) => {
      socket.resume();
      return new Promise((resolve) => socket.once("close", resolve));
    });
    alice.process.signal("SIGHUP");
    await Promise.all(closed);
    await connected(alice, 0);
    // The session's own reason, and not that its connection was closed.
    await alice.process.logged(
      /at=km\.link\.fibre .*certificate refused: CERT_REVOKED/,
      deadline(),
    );
    t.not(await session(), "ready");
  },
);
