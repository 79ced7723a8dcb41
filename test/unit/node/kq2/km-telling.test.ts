/** A node that tells a KM how its modules are: over real TLS, at the doors of the key manager and of others. */

import { createServer as createTls } from "node:tls";
import test, { type ExecutionContext } from "ava";
import { systemClock } from "../../../../src/base/clock.ts";
import { ms } from "../../../../src/base/duration.ts";
import { createLog } from "../../../../src/base/log.ts";
import type { KmEndpoint } from "../../../../src/node/io/connect.ts";
import { KmTelling } from "../../../../src/node/kq2/km-telling.ts";
import { frameOf } from "../../../../src/wire/kq2/frame.ts";
import { alpn, command } from "../../../../src/wire/kq2/names.ts";
import type { Status } from "../../../../src/wire/kq2/status.ts";
import { ManualClock } from "../../../clock.ts";
import { eventually } from "../../../eventually.ts";
import { kmTexts, nodeTexts, serve } from "../../../rig/kq1-servers.ts";
import { alarmOf, statusOfA } from "../../../rig/kq2-status.ts";

interface NodeOptions {
  readonly certificate?: string;
  /** Default: the machine's. */
  readonly clock?: ManualClock;
  /** The KM must have Kq-2. */
  readonly required?: boolean;
}

/** A node with one module; closed at the end of the test. */
async function nodeAt(t: ExecutionContext, port: number, options: NodeOptions = {}) {
  const { certificate = "node-a", clock = systemClock, required = false } = options;
  const lines: string[] = [];
  const module = { status: statusOfA() as Status | undefined };
  let tls = await nodeTexts(certificate);
  const endpoint = (): KmEndpoint => ({
    host: "127.0.0.1",
    port,
    serverName: "km",
    tls,
    // In a test's own time it is long.
    connectTimeout: ms(3_600_000),
  });
  const telling = new KmTelling(
    { name: "km", endpoint, modules: ["a"], look: () => module.status, required },
    { clock, random: () => 0, log: createLog((line) => void lines.push(line), "info") },
  );
  t.teardown(() => telling.stop());
  telling.start();
  const tell = (changes: Partial<Status>) => {
    module.status = { ...statusOfA(), ...changes };
    telling.changed();
  };
  const renew = async (name: string, km = "km") => {
    tls = await nodeTexts(name);
    telling.recheck(km);
  };
  return { telling, lines, module, tell, renew };
}

for (const https of [false, true]) {
  const over = https ? "HTTPS" : "TCP";
  test(`a key manager with Kq-1 over ${over} is told at the same port, and again at each change`, async (t) => {
    const { port, nodes, server, kq2 } = await serve({ https, kq2: systemClock });
    t.teardown(() => server.close());
    t.teardown(() => kq2?.close());
    const { telling, tell } = await nodeAt(t, port);
    const told = () => nodes?.all().get("a");
    await eventually("told", told, { is: { node: "node-a", current: true, link: "ACTIVE" } });
    t.is(told()?.figures.qber, 0.03);
    t.deepEqual(telling.told(), { km: "km", state: "up", reason: "" });
    tell({ link: "OFF", module: "DOWN", figures: {}, alarms: [alarmOf("module_silent.a")] });
    await eventually("it is down", told, { is: { link: "OFF", module: "DOWN", figures: {} } });
    t.like(told()?.alarms, [{ alarm: "module_silent.a", severity: "major" }]);
    t.is(nodes?.counts.connections, 1);
    await telling.stop();
    await eventually("it has ended", told, { is: { current: false } });
    t.is(nodes?.counts.connections, 0);
  });
}

test("a node whose certificate is bound to another module is refused, and says so until it has a better one", async (t) => {
  const { port, nodes, server } = await serve({ kq2: systemClock });
  t.teardown(() => server.close());
  const { telling, lines, renew } = await nodeAt(t, port, { certificate: "node-z" });
  await eventually("refused", () => telling.told(), {
    is: { state: "refused", reason: "a: unauthorized" },
  });
  t.is(telling.untold, "a: unauthorized");
  t.is(nodes?.all().size, 0);
  t.deepEqual(nodes?.counts.refused, { unauthorized: 1 });
  t.is(lines.filter((line) => line.includes("did not take it: unauthorized")).length, 1);
  await renew("node-a");
  await eventually("told over a new connection", () => telling.told().state, { is: "up" });
  await eventually("heard", () => nodes?.all().get("a"), { is: { node: "node-a" } });
  t.is(telling.untold, "");
});

test("certificates that changed for another KM, or while it is away, are no matter", async (t) => {
  const { port, nodes, server, kq2 } = await serve({ kq2: systemClock });
  t.teardown(() => server.close());
  const { telling, renew } = await nodeAt(t, port);
  telling.recheck("km");
  const told = () => nodes?.counts.messages ?? 0;
  await eventually("told", told, { is: 1 });
  await renew("node-a", "another KM");
  t.is(telling.told().state, "up");
  kq2?.close();
  await server.close();
  await eventually("it is away", () => telling.told().state, { is: "down" });
  t.not(telling.untold ?? "", "", "it took what it was told before");
  telling.recheck("km");
  t.is(telling.told().state, "down");
});

test("a KM that cannot be reached is shown as such, and logged by Kq-1 alone", async (t) => {
  const { port, server } = await serve({ kq2: systemClock });
  await server.close();
  const { telling, lines } = await nodeAt(t, port);
  await eventually("why", () => telling.told().reason, { matches: /connection refused/ });
  t.is(telling.told().state, "down");
  t.is(telling.untold, undefined, "whether it has Kq-2 is not known");
  t.deepEqual(lines, []);
  const { telling: must } = await nodeAt(t, port, { required: true });
  await eventually("why", () => must.untold, { matches: /connection refused/ });
});

test("without a module that it knows a node does not even connect", async (t) => {
  const { port, nodes, server } = await serve({ kq2: systemClock });
  t.teardown(() => server.close());
  const clock = new ManualClock();
  const { module, telling, lines } = await nodeAt(t, port, { clock });
  module.status = undefined;
  await clock.advance(60_000);
  t.is(telling.told().state, "down");
  t.deepEqual(lines, []);
  t.is(nodes?.counts.connections, 0);
});

/** Somebody's KM: TLS as Kq-1 has it, and what it is told of by name. */
async function someKm(t: ExecutionContext, protocols?: readonly string[]) {
  const texts = await kmTexts();
  const seen = { connections: 0, secured: 0 };
  const server = createTls({
    ...texts,
    minVersion: "TLSv1.3",
    requestCert: true,
    ...(protocols && { ALPNProtocols: [...protocols] }),
  });
  server.on("connection", () => seen.connections++);
  server.on("secureConnection", (socket) => {
    seen.secured++;
    socket.on("error", () => {});
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.teardown(() => server.close());
  const port = (server.address() as { readonly port: number }).port;
  return { server, seen, port };
}

for (const [what, protocols] of [
  ["does not look at protocols", undefined],
  ["refuses protocols that it does not have", ["http/1.1"]],
] as const) {
  test(`a KM that ${what} has no connection of Kq-2, is asked seldom, and it is one line in the log`, async (t) => {
    const { seen, port } = await someKm(t, protocols);
    const clock = new ManualClock();
    const { telling, lines } = await nodeAt(t, port, { clock });
    // The test's time moves on while the machine's does what it must.
    const pass = async (ms: number, until: () => unknown) => {
      await clock.advance(ms);
      return until();
    };
    await eventually("the node knows", () => pass(250, () => telling.told().state), {
      is: "not_offered",
    });
    t.is(seen.connections, 1);
    t.is(telling.untold, "", "no alarm");
    await clock.advance(299_000);
    t.is(seen.connections, 1);
    await eventually("asked again", () => pass(250, () => seen.connections), { is: 2 });
    const again = () => pass(250, () => telling.told().state);
    await eventually("and it knows again", again, { is: "not_offered" });
    await clock.advance(590_000);
    t.is(seen.connections, 2, "now it is ten minutes");
    t.is(seen.secured, 0);
    t.is(lines.length, 1, lines.join("\n"));
    t.regex(lines[0] ?? "", /level=info .*the KM does not have Kq-2/);
  });
}

/** A KM that has Kq-2 and answers as a test says. */
async function answeringKm(t: ExecutionContext, answer: (messageId: number) => Buffer | undefined) {
  const { server, seen, port } = await someKm(t, [alpn]);
  server.on("secureConnection", (socket) => {
    socket.on("data", (chunk: Buffer) => {
      const said = answer(chunk.readUInt32BE(2));
      if (said !== undefined) socket.write(said);
    });
  });
  return { seen, port };
}

const response = (messageId: number, text: string) =>
  frameOf(messageId, command.statusResponse, Buffer.from(text));

test("a KM that answers nonsense, or to nothing, is connected anew and harms nobody", async (t) => {
  const answers = [
    () => Buffer.from("HTTP/1.1 400 Bad Request\r\n\r\n"),
    (id: number) => response(id + 7, '{"response":"success"}'),
    (id: number) => frameOf(id, command.status, Buffer.from("{}")),
    (id: number) => response(id, "[]"),
    (id: number) => response(id, '{"response":"success"}'),
  ];
  const { seen, port } = await answeringKm(t, (id) => {
    return (answers.length > 1 ? answers.shift() : answers[0])?.(id);
  });
  const { telling, lines } = await nodeAt(t, port);
  await eventually("the last is a good one", () => seen.secured, { is: 5 });
  await eventually("up", () => telling.told().state, { is: "up" });
  t.true(lines.some((line) => line.includes("unknown version of the message format")));
  t.true(lines.some((line) => line.includes("answers to what it was not told")));
  t.false(lines.some((line) => line.includes("Bad Request")));
});

test("a KM that does not answer within ten seconds is connected anew", async (t) => {
  const { seen, port } = await answeringKm(t, () => undefined);
  const clock = new ManualClock();
  const { lines } = await nodeAt(t, port, { clock });
  const connections = async () => {
    await clock.advance(250);
    return seen.secured;
  };
  await eventually("the second connection", connections, { is: 2 });
  t.true(
    lines.some((line) => line.includes("does not answer for a status")),
    lines.join("\n"),
  );
});

test("what a KM refuses is shown with its word", async (t) => {
  const { port } = await answeringKm(t, (id) => response(id, '{"response":"unknown_module"}'));
  const { telling } = await nodeAt(t, port);
  await eventually("refused", () => telling.told().state, { is: "refused" });
  t.deepEqual(telling.told(), { km: "km", state: "refused", reason: "a: unknown_module" });
});
