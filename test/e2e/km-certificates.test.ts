/** Certificates of a key manager that are renewed and taken back while it runs. */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect, type TLSSocket } from "node:tls";
import test, { type ExecutionContext } from "ava";
import { eventually } from "../eventually.ts";
import { type KmOfPair, KmPair } from "../rig/km-pair.ts";
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
