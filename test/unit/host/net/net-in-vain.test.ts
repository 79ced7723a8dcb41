/** A name with several addresses, at one of which a connection is made and comes to nothing. */
import { once } from "node:events";
import { createServer as createTcp } from "node:net";
import { createServer as createTls, type TLSSocket } from "node:tls";
import test, { type ExecutionContext } from "ava";
import { systemClock } from "../../../../src/base/clock.ts";
import { dial, inVain } from "../../../../src/host/net/dial.ts";
import { Names } from "../../../../src/host/net/lookup.ts";
import { dialTls } from "../../../../src/host/tls/dial.ts";
import { clientTls } from "../../../../src/host/tls/options.ts";
import { createAuthority } from "../../../emulator/certificates.ts";
import { DnsServer } from "../../../rig/dns.ts";

async function namesOf(t: ExecutionContext, addresses: readonly string[]): Promise<Names> {
  const dns = await DnsServer.open({ "km.example": addresses });
  t.teardown(() => dns.close());
  return new Names({
    hosts: "/nonexistent",
    resolv: "/nonexistent",
    nsswitch: "/nonexistent",
    servers: [dns.address],
    clock: systemClock,
    system: () => Promise.reject(new Error("not asked")),
  });
}

test("an address that answers with another certificate, or not with TLS, is not tried first for ever", async (t) => {
  const [ours, theirs] = [await createAuthority("ours"), await createAuthority("theirs")];
  const of = { commonName: "km.example", dns: ["km.example"], usage: "server", days: 1 } as const;
  const good = createTls(await ours.issue(of), (socket) => socket.on("error", () => {}));
  good.listen(0, "127.0.0.23");
  await once(good, "listening");
  const { port } = good.address() as { port: number };
  const wrong = createTls(await theirs.issue(of), (socket) => socket.on("error", () => {}));
  wrong.on("tlsClientError", () => {});
  const none = createTcp((socket) => socket.destroy());
  for (const [server, host] of [
    [wrong, "127.0.0.21"],
    [none, "127.0.0.22"],
  ] as const) {
    server.listen(port, host);
    await once(server, "listening");
  }
  t.teardown(() => [good, wrong, none].map((server) => server.close()));
  const names = await namesOf(t, ["127.0.0.21", "127.0.0.22", "127.0.0.23"]);
  const attempt = async () => {
    const tls = () => clientTls({ ca: ours.cert }, "km.example", () => Date.now());
    const to = { host: "km.example", port, tls, withinMs: 60_000, clock: systemClock, names };
    return dialTls(to).catch(() => undefined);
  };
  t.is(await attempt(), undefined);
  t.is(await attempt(), undefined);
  const socket = (await attempt()) as TLSSocket;
  t.is(socket.remoteAddress, "127.0.0.23");
  t.is(names.lastGood("km.example", port), "127.0.0.23");

  // TLS is there, and what speaks over it is not what was wanted.
  inVain(socket);
  socket.destroy();
  t.is(names.lastGood("km.example", port), "km.example");
  const order = ["127.0.0.21", "127.0.0.22", "127.0.0.23"];
  t.deepEqual(await names.addresses("km.example", port), order);
});

test("what was in vain at one port says nothing of another, and an address that is written stays as it is", async (t) => {
  const names = await namesOf(t, ["127.0.0.24", "127.0.0.25"]);
  names.vain("km.example", 1, "127.0.0.24");
  t.deepEqual(await names.addresses("km.example", 1), ["127.0.0.25", "127.0.0.24"]);
  t.deepEqual(await names.addresses("km.example", 2), ["127.0.0.24", "127.0.0.25"]);
  const server = createTcp((socket) => socket.destroy());
  server.listen(0, "127.0.0.26");
  await once(server, "listening");
  t.teardown(() => server.close());
  const { port } = server.address() as { port: number };
  const signal = new AbortController().signal;
  const socket = await dial({ host: "127.0.0.26", port }, { clock: systemClock, signal, names });
  inVain(socket);
  socket.destroy();
  t.deepEqual(await names.addresses("127.0.0.26", port), ["127.0.0.26"]);
});
