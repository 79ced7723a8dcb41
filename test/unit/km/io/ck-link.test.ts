import { connect as connectHttp2 } from "node:http2";
import { createServer } from "node:tls";
import test from "ava";
import { Fault } from "../../../../src/base/errors.ts";
import { prefixed } from "../../../../src/host/grpc/message-cutter.ts";
import { grpcStatus } from "../../../../src/host/grpc/status.ts";
import { encodeEnvelope } from "../../../../src/wire/ck/grpc.ts";
import type { CkCommand, CkMessage } from "../../../../src/wire/ck/messages.ts";
import { limits, times } from "../../../../src/wire/ck/names.ts";
import { linkExtension } from "../../../../src/wire/ck/report.ts";
import { streamPath } from "../../../../src/wire/ck/rpc.ts";
import { specOf } from "../../../../src/wire/ck/table.ts";
import { encodeFrames } from "../../../../src/wire/ck/tcp.ts";
import { ManualClock } from "../../../clock.ts";
import { createAuthority } from "../../../emulator/certificates.ts";
import { eventually } from "../../../eventually.ts";
import { type CkBench, withCk } from "../../../rig/ck-bench.ts";
import { allSamples, samples } from "../../../rig/ck-samples.ts";

const bindings = ["tcp", "grpc"] as const;
const answerOf = (command: CkMessage) =>
  allSamples.find(({ type }) => type === specOf[command.type].answer) as CkMessage;

async function attached({ km, controller }: CkBench, options: Parameters<CkBench["km"]>[0]) {
  const { end, link } = km(options);
  link.start();
  await eventually("a session", () => end.sessions.length, { is: 1 });
  return { end, link, own: controller.sessions.at(-1) as (typeof controller.sessions)[number] };
}

for (const binding of bindings) {
  test(`every message goes both ways over TLS: ${binding}`, async (t) => {
    await withCk(async (bench) => {
      const { end, link, own } = await attached(bench, { binding });
      t.is(link.group, "X25519MLKEM768");
      t.deepEqual(bench.controller.listener.keyExchanges, ["X25519MLKEM768"]);
      t.like(bench.controller.reports[0], { type: "report", sourceKm: "km-a", whole: true });
      for (const message of allSamples) {
        const { from, answer } = specOf[message.type];
        if (answer === undefined || message.type === "report") continue;
        const asking = from === "km" ? end.session : own;
        const asked = from === "km" ? bench.controller.asked : end.asked;
        const answered = asking.request(message as CkCommand);
        const command = await eventually("the command", () => asked.shift());
        t.deepEqual(command?.message as CkMessage, message);
        const result = command?.reply(answerOf(message));
        t.deepEqual((await answered).message as CkMessage, answerOf(message));
        (await answered).reply?.(samples.relayResponse);
        t.deepEqual(
          await result,
          message.type === "relayNotification" ? samples.relayResponse : undefined,
        );
      }
      t.deepEqual(end.session.counts, { unreadable: 0, late: 0, unknown: 0, busy: 0 });
    });
  });

  test(`the longest message arrives whole: ${binding}`, async (t) => {
    await withCk(async (bench) => {
      const extension = Array.from({ length: 1_000 }, (_, n) =>
        linkExtension({ peer: `kma-${n}`, up: true, stock: n, alarms: [] }),
      );
      const state = { ...samples.report, extension };
      const { end, own } = await attached(bench, { binding, report: () => state });
      t.deepEqual(bench.controller.reports, [state]);
      const keyIds = Array.from({ length: limits.keyIds }, (_, n) => String(n).padStart(36, "0"));
      const reserved = own.request(samples.reservationRequest);
      const asked = await eventually("the command", () => end.asked[0]);
      await asked?.reply({ type: "reservationResponse", response: "success", keyIds });
      t.deepEqual((await reserved).message.keyIds, keyIds);
    });
  });

  test(`a KM of another CA or name, and a controller of another name, get nothing: ${binding}`, async (t) => {
    await withCk(async (bench) => {
      const { km, controller, identity, tls } = bench;
      const strange = await identity("km-a.example", await createAuthority("Other CA"));
      for (const options of [{ tls: () => strange }, { serverName: "other.example" }]) {
        const { end, link } = km({ binding, ...options });
        link.start();
        await eventually("a fault", () => link.faults.get("ck.connect") ?? 0, { atLeast: 1 });
        await link.stop();
        t.deepEqual(end.sessions, []);
      }
      t.deepEqual(controller.reports, []);
      t.is(controller.kms.size, 0);
      // The same that was let in before would not be any more.
      const { end, link } = km({ binding });
      link.start();
      await eventually("a session", () => end.sessions.length, { is: 1 });
      controller.listener.renew({ ...tls, crl: await bench.ca.revoke([tls.cert]) });
      await eventually("the end", () => end.ends.length, { atLeast: 1 });
      await eventually("no new session", () => link.faults.get("ck.connect") ?? 0, { atLeast: 1 });
      t.is(end.sessions.length, 1);
    });
  });

  test(`a session that broke is made anew, with all of the state; what waited failed: ${binding}`, async (t) => {
    await withCk(async (bench) => {
      const { end, own } = await attached(bench, { binding });
      const { controller } = bench;
      const lost = t.throwsAsync(end.session.request(samples.sessionRequest), {
        code: "ck.closed",
      });
      await eventually("the command", () => controller.asked.length, { is: 1 });
      const failed = t.throwsAsync(own.request(samples.reservationRequest), { code: "ck.closed" });
      await eventually("the command", () => end.asked.length, { is: 1 });
      own.end(new Fault("ck.closed", "a test"));
      await lost;
      await failed;
      await eventually("another session", () => end.sessions.length, { is: 2 });
      t.is(controller.reports.filter((one) => one.type === "report" && one.whole).length, 2);
      // Answers to commands of the session before go nowhere.
      await controller.asked[0]?.reply(samples.sessionResponse);
      await end.asked[0]?.reply(samples.reservationResponse);
      const again = end.session.request(samples.sessionRequest);
      await eventually("the command", () => controller.asked.length, { is: 2 });
      await controller.asked[1]?.reply({ ...samples.sessionResponse, sessionId: "second" });
      t.like(await again, { message: { sessionId: "second" } });
    });
  });

  test(`of two connections of one KM the newest counts: ${binding}`, async (t) => {
    await withCk(async (bench) => {
      const first = await attached(bench, { binding });
      const { own } = await attached(bench, { binding });
      await eventually("the end of the first", () => first.end.ends.length, { atLeast: 1 });
      t.true(first.own.isOver);
      t.is(
        bench.controller.kms.of("km-a.example") === own || bench.controller.kms.size === 1,
        true,
      );
      await first.link.stop();
    });
  });

  test(`a controller that refuses the report gets no session, and its words are not repeated: ${binding}`, async (t) => {
    await withCk(async ({ km, controller }) => {
      controller.response = "QUOTED";
      const { end, link } = km({ binding });
      link.start();
      await eventually("a fault", () => link.faults.get("ck.connect") ?? 0, { atLeast: 1 });
      t.deepEqual(end.sessions, []);
    });
  });

  test(`a controller that falls silent is left: ${binding}`, async (t) => {
    const clock = ManualClock.ofToday();
    await withCk(async (bench) => {
      const { end } = await attached(bench, { binding });
      const { session } = end;
      const waiting = t.throwsAsync(session.request(samples.sessionRequest, 60_000), {
        code: "ck.timeout",
      });
      bench.controller.isSilent = true;
      await eventually("the end of it", async () => {
        await clock.advance(1_000);
        return session.isOver;
      });
      await waiting;
      await eventually("it is told", () => end.ends.length, { atLeast: 1 });
      t.like(end.ends[0], { code: "ck.timeout", facts: { limit_ms: times.silence } });
    }, clock);
  });
}

test("a controller that names no protocol is spoken to by the draft alone", async (t) => {
  await withCk(async ({ km, identity }) => {
    const heard: Buffer[] = [];
    const tls = await identity("plain.example");
    const server = createServer({ ...tls, requestCert: true }, (socket) => {
      socket.on("error", () => {});
      socket.on("data", (chunk) => {
        heard.push(chunk);
        for (const frame of encodeFrames(samples.nextHopResponse, chunk.readUInt32BE(2))) {
          socket.write(frame);
        }
      });
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as { readonly port: number };
    const { end, link } = km({ port, serverName: "plain.example" });
    link.start();
    await eventually("a session", () => end.sessions.length, { is: 1 });
    t.is(heard.length, 0);
    t.deepEqual(
      (await end.session.request(samples.nextHopRequest)).message,
      samples.nextHopResponse,
    );
    await link.stop();
    server.close();
  });
});

test("strangers over TCP: half a frame, another version, an unknown command", async (t) => {
  const clock = ManualClock.ofToday();
  await withCk(async ({ open, controller }) => {
    const [frame = Buffer.alloc(0)] = encodeFrames(samples.nextHopRequest, 1);
    const half = await open();
    half.write(frame.subarray(0, 20));
    await eventually("a session", () => controller.sessions.length, { is: 1 });
    await eventually("bytes", async () => {
      await clock.advance(1_000);
      return half.destroyed || half.readableEnded || half.closed;
    });
    t.like(controller.ends[0], { code: "ck.timeout" });

    const version = await open();
    const wrong = Buffer.from(frame);
    wrong.writeUInt16BE(2, 0);
    version.write(wrong);
    await eventually("the end", () => controller.ends.length, { is: 2 });
    t.like(controller.ends[1], { code: "ck.frame", facts: { version: 2 } });

    const other = await open();
    const unknown = Buffer.from(frame);
    unknown.writeUInt16BE(0x14ee, 6);
    other.write(Buffer.concat([unknown, frame]));
    await eventually("the command", () => controller.asked.length, { is: 1 });
    t.is(controller.sessions.at(-1)?.counts.unknown, 1);
  }, clock);
});

test("strangers over gRPC: half a message, no envelope, one that is too long", async (t) => {
  const clock = ManualClock.ofToday();
  await withCk(async ({ open, controller }) => {
    const stream = async () => {
      const socket = await open({ ALPNProtocols: ["h2"] });
      const session = connectHttp2("https://controller.example", {
        createConnection: () => socket,
      });
      session.on("error", () => {});
      const headers = {
        ":method": "POST",
        ":path": streamPath,
        "content-type": "application/grpc",
      };
      const made = session.request(headers);
      made.on("error", () => {});
      made.resume();
      let status: unknown;
      made.on("trailers", (trailers) => {
        status = trailers["grpc-status"];
      });
      return { made, status: () => status };
    };
    const half = await stream();
    half.made.write(prefixed(encodeEnvelope(samples.nextHopRequest, 1)).subarray(0, 20));
    await eventually("the end of it", async () => {
      await clock.advance(1_000);
      return controller.ends.length > 0;
    });
    t.like(controller.ends[0], { code: "ck.timeout", facts: { limit_ms: times.message } });
    await eventually("its status", () => half.status(), { is: String(grpcStatus.invalidArgument) });

    const wrong = await stream();
    wrong.made.write(prefixed(Buffer.from("not an envelope at all")));
    await eventually("its status", () => wrong.status(), {
      is: String(grpcStatus.invalidArgument),
    });
    t.like(controller.ends[1], { code: "ck.message", facts: { message: "Envelope" } });

    const long = await stream();
    long.made.write(Buffer.from([0, 0, 0x20, 0, 0]));
    await eventually("its status", () => long.status(), {
      is: String(grpcStatus.resourceExhausted),
    });
    // A client that leaves its half open is left a second later.
    await eventually("the end", async () => {
      await clock.advance(200);
      return controller.ends.length === 3;
    });
  }, clock);
});
