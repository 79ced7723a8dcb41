/** The key manager's side of Kq-2 over real TLS: nodes that behave, and others. */
import { connect, type TLSSocket } from "node:tls";
import test, { type ExecutionContext } from "ava";
import { systemClock } from "../../../../src/base/clock.ts";
import { KqDeframer } from "../../../../src/wire/kq1/frame.ts";
import { frameOf } from "../../../../src/wire/kq2/frame.ts";
import { alpn, command } from "../../../../src/wire/kq2/names.ts";
import { decodeResponse, encodeStatus } from "../../../../src/wire/kq2/status.ts";
import { ManualClock } from "../../../clock.ts";
import { eventually } from "../../../eventually.ts";
import { random } from "../../../random.ts";
import {
  authority,
  kmTexts,
  nodeTexts,
  type ServedOptions,
  serve,
} from "../../../rig/kq1-servers.ts";
import { statusOfA } from "../../../rig/kq2-status.ts";

async function served(t: ExecutionContext, options: ServedOptions = {}) {
  const opened = await serve({ kq2: systemClock, ...options });
  t.teardown(async () => {
    opened.kq2?.close();
    await opened.server.close();
  });
  return opened;
}

/** A node's connection, with what the KM answered. */
async function node(
  t: ExecutionContext,
  port: number,
  name = "node-a",
  protocols: readonly string[] = [alpn],
) {
  const texts = await nodeTexts(name);
  const at = { host: "127.0.0.1", port, servername: "km" };
  const socket: TLSSocket = connect({ ...at, ...texts, ALPNProtocols: [...protocols] });
  const answers: [number, string][] = [];
  const deframer = new KqDeframer(({ messageId, payload }) => {
    answers.push([messageId, decodeResponse(payload)]);
  });
  let why = "";
  socket.on("error", ({ message }) => {
    why = message;
  });
  socket.on("data", (chunk: Buffer) => deframer.push(chunk));
  const ended = new Promise<void>((resolve) => socket.once("close", () => resolve()));
  t.teardown(() => void socket.destroy());
  await new Promise<void>((resolve, reject) => {
    socket.once("secureConnect", resolve);
    socket.once("close", () => reject(new Error(`no connection: ${why || "closed"}`)));
  });
  const tell = (messageId: number, payload = encodeStatus(statusOfA())) =>
    socket.write(frameOf(messageId, command.status, payload));
  return { socket, answers, ended, tell, certificate: texts.cert };
}

test("each status is answered under its number, over one connection and beside Kq-1", async (t) => {
  const { port, nodes, intake } = await served(t);
  const one = await node(t, port);
  one.tell(1);
  one.tell(7, encodeStatus(statusOfA({ moduleId: "QKD-Z" })));
  await eventually("answers", () => one.answers, {
    is: [
      [1, "success"],
      [7, "unknown_module"],
    ],
  });
  t.is(nodes?.counts.connections, 1);
  t.deepEqual(intake.refused, {});
});

test("a node that names no protocol, or others, is one of Kq-1 as ever", async (t) => {
  const { port, nodes } = await served(t);
  for (const protocols of [["h2", "http/1.1"], ["something-else"]]) {
    const other = await node(t, port, "node-a", protocols);
    t.is(other.socket.alpnProtocol, protocols[0] as string);
    other.socket.write(Buffer.from("00010000002a000100027b7d", "hex"));
    await eventually("an answer of Kq-1", () => other.answers.length, { is: 1 });
  }
  t.is(nodes?.counts.connections, 0);
});

test("where Kq-2 is not offered a node that asks for it learns so in the handshake", async (t) => {
  const opened = await serve();
  t.teardown(() => opened.server.close());
  const { socket } = await node(t, opened.port);
  t.false(socket.alpnProtocol);
});

for (const [what, bytes, words] of [
  ["another version", Buffer.from("00020000000102010000", "hex"), /unknown version/],
  ["another command", frameOf(1, 0x0001, Buffer.from("{}")), /unexpected command of a node/],
  ["a response", frameOf(1, command.statusResponse, Buffer.from("{}")), /unexpected command/],
  ["HTTP", Buffer.from("GET / HTTP/1.1\r\nHost: km\r\n\r\n"), /unknown version/],
] as const) {
  test(`${what} ends the connection, is counted, and ends no other`, async (t) => {
    const { port, nodes, lines } = await served(t);
    const good = await node(t, port);
    const bad = await node(t, port);
    bad.socket.write(bytes);
    await bad.ended;
    t.deepEqual(bad.answers, []);
    t.deepEqual(nodes?.counts.refused, { invalid_message: 1 });
    t.true(
      lines.some((line) => words.test(line)),
      lines.join("\n"),
    );
    good.tell(1);
    await eventually("answers", () => good.answers, { is: [[1, "success"]] });
  });
}

test("a status that cannot be read is answered, and ends its connection; nothing of it is logged", async (t) => {
  const { port, nodes, lines } = await served(t);
  const one = await node(t, port);
  one.tell(3, Buffer.from('{"node_ID":"hunter2"}'));
  await one.ended;
  t.deepEqual(one.answers, [[3, "invalid_message"]]);
  t.deepEqual(nodes?.counts.refused, { invalid_message: 1 });
  t.true(
    lines.some((line) => line.includes("field=qkd_module_ID")),
    lines.join("\n"),
  );
  t.false(lines.some((line) => line.includes("hunter2")));
});

test("a node that tells too much is answered busy, and what it told before holds", async (t) => {
  const { port, nodes } = await served(t, { kq2: new ManualClock() });
  const one = await node(t, port);
  for (let id = 1; id <= 100; id++) one.tell(id);
  await eventually("answers", () => one.answers.length, { is: 100 });
  t.is(one.answers.filter(([, word]) => word === "success").length, 64);
  t.deepEqual(nodes?.counts.refused, { busy: 36 });
  t.true(nodes?.all().get("a")?.current);
});

test("a connection that says nothing for 30 s is ended, and so is one that stops in a message", async (t) => {
  const clock = new ManualClock();
  const { port, nodes, lines } = await served(t, { kq2: clock });
  const silent = await node(t, port);
  const torn = await node(t, port);
  await eventually("two connections", () => nodes?.counts.connections, { is: 2 });
  silent.tell(1);
  await eventually("answers", () => silent.answers.length, { is: 1 });
  torn.socket.write(Buffer.from("0001000000010201", "hex"));
  // It is there when the clock begins to run for it.
  await eventually("a timer for its message", () => clock.timers, { is: 3 });
  await clock.advance(10_000);
  await torn.ended;
  t.is(nodes?.counts.connections, 1);
  await clock.advance(20_000);
  await silent.ended;
  t.is(nodes?.counts.connections, 0);
  t.false(nodes?.all().get("a")?.current);
  t.true(lines.some((line) => line.includes("does not finish its message")));
  t.true(lines.some((line) => line.includes("tells nothing any more")));
});

test("whatever bytes a node sends, the KM answers or ends that connection, and goes on", async (t) => {
  const draw = random(4_160);
  const { port, nodes } = await served(t);
  const good = frameOf(1, command.status, encodeStatus(statusOfA()));
  for (let round = 0; round < 60; round++) {
    const one = await node(t, port);
    for (let n = 0; n < 4; n++) {
      const bytes = Buffer.from(
        good.subarray(0, draw() < 0.2 ? draw() * good.length : good.length),
      );
      for (let flips = draw() * 4; flips >= 1 && bytes.length > 0; flips--) {
        bytes[Math.floor(draw() * bytes.length)] = draw() * 256;
      }
      const cut = Math.floor(draw() * bytes.length);
      one.socket.write(bytes.subarray(0, cut));
      one.socket.write(bytes.subarray(cut));
    }
    one.socket.end();
    await one.ended;
  }
  const last = await node(t, port);
  last.tell(9);
  await eventually("it still answers", () => last.answers, { is: [[9, "success"]] });
  await eventually("no connection is left", () => nodes?.counts.connections, { is: 1 });
  t.true((nodes?.counts.messages ?? 0) > 60, "some of them were read");
});

test("a node whose certificate is taken back is cut while it tells", async (t) => {
  const { port, server, nodes } = await served(t);
  const one = await node(t, port);
  one.tell(1);
  await eventually("answers", () => one.answers.length, { is: 1 });
  const ca = await authority;
  server.renew({ ...(await kmTexts()), crl: await ca.revoke([one.certificate]) });
  await one.ended;
  await eventually("not current", () => nodes?.all().get("a")?.current, { is: false });
  t.is(nodes?.counts.connections, 0);
});

test("closing the key manager ends connections of Kq-2 at once", async (t) => {
  const { port, server, kq2 } = await serve({ kq2: systemClock });
  const one = await node(t, port);
  one.tell(1);
  await eventually("answers", () => one.answers.length, { is: 1 });
  kq2?.close();
  await server.close();
  await one.ended;
  t.pass();
});
