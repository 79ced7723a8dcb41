import { createServer, type Server } from "node:net";
import test, { type ExecutionContext } from "ava";
import { systemClock } from "../../../../src/base/clock.ts";
import { dial } from "../../../../src/host/net/dial.ts";
import { Names } from "../../../../src/host/net/lookup.ts";
import { ManualClock } from "../../../clock.ts";
import { eventually } from "../../../eventually.ts";
import { DnsServer } from "../../../rig/dns.ts";
import { SilentPort } from "../../../rig/silent-port.ts";

const never = new AbortController().signal;

/** A name server, names that ask it, and a server at one of the addresses. */
async function bench(t: ExecutionContext, addresses: readonly string[], alive: string) {
  const dns = await DnsServer.open({ "km.example": addresses });
  const server = createServer((socket) => socket.on("error", () => {}));
  await new Promise<void>((resolve) => server.listen({ host: alive, port: 0 }, resolve));
  const { port } = server.address() as { port: number };
  const names = new Names({
    hosts: "/nonexistent",
    resolv: "/nonexistent",
    nsswitch: "/nonexistent",
    servers: [dns.address],
    clock: systemClock,
    system: () => Promise.reject(new Error("not asked")),
  });
  t.teardown(() => {
    dns.close();
    server.close();
  });
  return { names, port, server };
}

async function silent(t: ExecutionContext, host: string, port: number): Promise<SilentPort> {
  const one = await SilentPort.open(host, port);
  t.teardown(() => one.close());
  return one;
}

const openConnections = (server: Server) =>
  new Promise<number>((resolve) => server.getConnections((_, count) => resolve(count)));

test("an address that does not answer holds the next one up for 250 ms and no longer", async (t) => {
  const { names, port } = await bench(t, ["127.0.0.4", "127.0.0.5"], "127.0.0.5");
  await silent(t, "127.0.0.4", port);
  const clock = new ManualClock();
  let known = false;
  const onAddresses = () => {
    known = true;
  };
  const dialled = dial({ host: "km.example", port }, { clock, signal: never, names, onAddresses });
  await eventually("names are known", () => known);
  await clock.advance(250);
  const socket = await dialled;
  t.is(socket.remoteAddress, "127.0.0.5");
  t.is(names.lastGood("km.example", port), "127.0.0.5");
  t.is(clock.timers, 0);
  socket.destroy();
});

test("an address that answers late is not given up for those after it", async (t) => {
  const { names, port, server } = await bench(t, ["127.0.0.6", "127.0.0.7"], "127.0.0.8");
  t.is(await openConnections(server), 0);
  const slow = await silent(t, "127.0.0.6", port);
  const clock = new ManualClock();
  let known = false;
  const onAddresses = () => {
    known = true;
  };
  const dialled = dial({ host: "km.example", port }, { clock, signal: never, names, onAddresses });
  await eventually("names are known", () => known);
  // The second is refused at once.
  await clock.advance(10_000);
  slow.wake();
  const socket = await dialled;
  t.is(socket.remoteAddress, "127.0.0.6");
  socket.destroy();
});

test("an address that refuses makes room for the next at once", async (t) => {
  const { names, port } = await bench(t, ["127.0.0.9", "127.0.0.10"], "127.0.0.10");
  const socket = await dial(
    { host: "km.example", port },
    { clock: new ManualClock(), signal: never, names },
  );
  t.is(socket.remoteAddress, "127.0.0.10");
  socket.destroy();
});

test("where all fail the most telling failure is told", async (t) => {
  const { names, port } = await bench(t, ["127.0.0.11", "2001:db8::1"], "127.0.0.12");
  const dialled = dial({ host: "km.example", port }, { clock: systemClock, signal: never, names });
  await t.throwsAsync(dialled, { code: "ECONNREFUSED" });
});

test("it ends when it is told to, while a name is looked up and while an address is tried", async (t) => {
  const { names, port } = await bench(t, ["127.0.0.13"], "127.0.0.14");
  await silent(t, "127.0.0.13", port);
  for (const host of ["away.example", "km.example"]) {
    const over = new AbortController();
    const dialled = dial({ host, port }, { clock: systemClock, signal: over.signal, names });
    setImmediate(() => over.abort());
    await t.throwsAsync(dialled, { message: "stopped" });
  }
});
