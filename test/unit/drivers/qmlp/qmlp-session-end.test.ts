import { existsSync, readdirSync } from "node:fs";
import test from "ava";
import { encodeKeyHeader } from "../../../../drivers/qmlp/blocks.ts";
import { type Frame, isReliable, type } from "../../../../drivers/qmlp/frame.ts";
import { decodeHello } from "../../../../drivers/qmlp/hello.ts";
import { Fault } from "../../../../src/base/errors.ts";
import { ManualClock, settle } from "../../../clock.ts";
import { eventually } from "../../../eventually.ts";
import {
  type QmlpBench,
  readFrames,
  ref,
  withModule,
  writeFrame,
} from "../../../rig/qmlp-bench.ts";

const silence = () => Buffer.alloc(0);
const descriptors = () => readdirSync("/proc/self/fd").length;

/** A bench on which time stands still unless the test moves it. */
function withTime(body: (bench: QmlpBench, clock: ManualClock) => Promise<void>): Promise<void> {
  const clock = new ManualClock();
  return withModule((bench) => body(bench, clock), { clock });
}

/** A frame from the module, the first of its session. */
function frame(messageType: number, body = "", more: Partial<Frame> = {}): Buffer {
  return writeFrame({
    ...{ type: messageType, reliable: isReliable(messageType), nak: false, seq: 0, ack: 0 },
    body: Buffer.from(body, "hex"),
    ...more,
  });
}

/** Counts the frames of one type that the node sends. */
function counting(bench: QmlpBench, messageType: number): { count: number; last?: Frame } {
  const seen: { count: number; last?: Frame } = { count: 0 };
  bench.incoming = (chunk) => {
    for (const one of readFrames(chunk)) {
      if (one.type !== messageType) continue;
      seen.count++;
      seen.last = one;
    }
  };
  return seen;
}

test.serial("a module that falls silent is given up after two seconds, no sooner", async (t) => {
  await withTime(async (bench, clock) => {
    const session = await bench.connect();
    bench.outgoing = silence;
    await bench.quiet(session);
    let ended = false;
    void session.ended.then(() => {
      ended = true;
    });
    await clock.advance(1_999);
    t.false(ended);
    await clock.advance(1);
    t.true(ended);
    t.like(await session.ended, { code: "link.stalled", message: "module is silent" });
    bench.outgoing = (bytes) => bytes;
    t.truthy(await bench.connect(), "the port is free again");
  });
});

test.serial("pings keep a session alive in which nothing happens", async (t) => {
  await withTime(async (bench, clock) => {
    const session = await bench.connect();
    for (let ms = 0; ms < 60_000; ms += 500) {
      await clock.advance(500);
      await bench.quiet(session);
    }
    t.is(bench.module.state, "open");
    const { framesBad, framesResent, framesSent } = session.quality();
    t.deepEqual({ framesBad, framesResent }, { framesBad: 0, framesResent: 0 });
    // A PING of its own and a PONG each half second.
    t.true(framesSent >= 120 && framesSent <= 260, `${framesSent} frames`);
  });
});

test.serial("HELLO is said every 250 ms until the module welcomes", async (t) => {
  await withTime(async (bench, clock) => {
    const hellos = counting(bench, type.hello);
    let welcomes = 0;
    bench.outgoing = (bytes) => (++welcomes < 4 ? silence() : bytes);
    const connecting = bench.connect();
    for (let said = 1; said <= 4; said++) {
      await eventually("welcomes", () => welcomes, { is: said });
      t.is(hellos.count, said);
      if (said === 4) break;
      await clock.advance(249);
      t.is(welcomes, said);
      await clock.advance(1);
    }
    const session = await connecting;
    const first = decodeHello(hellos.last?.body as Buffer).nonce;
    await session.close();
    const again = await bench.connect();
    t.notDeepEqual(decodeHello(hellos.last?.body as Buffer).nonce, first, "a nonce of its own");
    await again.close();
  });
});

test.serial("a device that does not speak QMLP is given up after three seconds", async (t) => {
  await withTime(async (bench, clock) => {
    const hellos = counting(bench, type.hello);
    bench.outgoing = () => Buffer.from("\0OK\r\n\0");
    const failing = t.throwsAsync(bench.connect(), { instanceOf: Fault, message: /speaks QMLP/ });
    await eventually("a hello", () => hellos.count, { atLeast: 1 });
    const before = descriptors();
    for (let ms = 0; ms < 3_000; ms += 250) {
      const { count } = hellos;
      await clock.advance(250);
      if (ms < 2_750) await eventually("another hello", () => hellos.count, { atLeast: count + 1 });
    }
    const fault = await failing;
    t.is(fault?.code, "qmlp.timeout");
    t.like(fault?.facts, { source: bench.port.path, limit_ms: 3_000 });
    t.true(descriptors() < before, "the port is closed");
  });
});

test.serial("connecting can be called off", async (t) => {
  await withTime(async (bench) => {
    const hellos = counting(bench, type.hello);
    bench.outgoing = silence;
    const stop = new AbortController();
    const failing = t.throwsAsync(bench.connect(stop.signal), { instanceOf: Fault });
    await eventually("a hello", () => hellos.count, { atLeast: 1 });
    const before = descriptors();
    stop.abort();
    t.is((await failing)?.code, "stopped");
    t.true(descriptors() < before);
    await t.throwsAsync(bench.connect(stop.signal), { message: /stopped/ });
    t.true(descriptors() < before);
  });
});

test.serial("an answer to another HELLO does not open a session", async (t) => {
  await withTime(async (bench) => {
    const nonce = "ffffffffffffffff";
    const foreign = `01004000 00000100 ${nonce} 0f000000 00001000 0105 4f74686572`;
    bench.outgoing = (bytes) =>
      Buffer.concat([
        Buffer.from("garbage\0"),
        frame(type.ping, "00000000"),
        frame(type.welcome, foreign.replaceAll(" ", "")),
        frame(type.refuse, `${nonce}020101`),
        bytes,
      ]);
    const session = await bench.connect();
    t.is(session.identity.moduleId, "QKD-A-0001");
  });
});

test.serial("a module that refuses is a fault that says why", async (t) => {
  const reasons: [number, RegExp][] = [
    [1, /no common protocol version/],
    [2, /busy/],
    [3, /zeroized/],
    [99, /refused/],
  ];
  for (const [reason, message] of reasons) {
    await withTime(async (bench) => {
      bench.outgoing = (bytes) => {
        const nonce = readFrames(bytes)[0]?.body.toString("hex", 8, 16);
        return frame(type.refuse, `${nonce}${reason.toString(16).padStart(2, "0")}0203`);
      };
      const fault = await t.throwsAsync(bench.connect(), { instanceOf: Fault, message });
      t.is(fault?.code, "qmlp.refused");
      t.like(fault?.facts, { reason, version_min: 2, version_max: 3 });
    });
  }
});

test.serial("a HELLO that comes twice changes nothing in the session", async (t) => {
  await withTime(async (bench) => {
    const hellos = counting(bench, type.hello);
    bench.distil(1);
    bench.distil(2);
    const session = await bench.connect();
    session.grant(1, 10_000);
    await eventually("blocks", () => bench.blocks.length, { is: 1 });
    bench.module.push(writeFrame(hellos.last as Frame));
    await bench.quiet(session);
    t.is(bench.module.state, "open");
    session.grant(1, 0);
    await eventually("blocks", () => bench.blocks.length, { is: 2 });
    t.deepEqual(
      bench.blocks.map((block) => block.ref.number),
      [1, 2],
    );
  });
});

test.serial("an orderly close says BYE, after what was released", async (t) => {
  await withTime(async (bench) => {
    const byes = counting(bench, type.bye);
    bench.distil(1);
    const session = await bench.connect();
    session.grant(1, 10_000);
    await eventually("blocks", () => bench.blocks.length, { is: 1 });
    session.release([ref(1)]);
    await session.close();
    await session.close();
    t.is(await session.ended, undefined);
    await eventually("the module's session", () => bench.module.state, { is: "idle" });
    t.is(byes.count, 1);
    t.is(byes.last?.body[0], 0);
    t.is(bench.module.heldBlocks, 0);
  });
});

test.serial("a module that says BYE ends the session", async (t) => {
  await withTime(async (bench) => {
    const session = await bench.connect();
    bench.transmit(frame(type.bye, "02"));
    const fault = await session.ended;
    t.like(fault, { code: "link.closed", facts: { source: bench.port.path, reason: 2 } });
  });
});

const hash = Buffer.alloc(32);
const header = (bits: number) => encodeKeyHeader({ ref: ref(1), bits }, hash).toString("hex");

const violations: readonly [name: string, bytes: Buffer, message: RegExp][] = [
  ["MORE without a block", frame(type.more, "00"), /MORE without a block/],
  ["a block without credit", frame(type.key, header(8)), /without credit/],
  ["a block longer than announced", frame(type.key, header(8 * 1_048_577)), /longer/],
  ["a header that is cut off", frame(type.key, "00"), /KEY/],
  ["half a reference", frame(type.released, "00112233"), /RELEASED/],
  ["a reliable message without R", frame(type.result, "00", { reliable: false }), /R flag/],
  ["an unreliable message with R", frame(type.ping, "00000000", { reliable: true }), /R flag/],
];

for (const [name, bytes, message] of violations) {
  test.serial(`${name} ends the session with a fault`, async (t) => {
    await withTime(async (bench) => {
      const session = await bench.connect();
      bench.transmit(bytes);
      const fault = await session.ended;
      t.true(fault instanceof Fault);
      t.is((fault as Fault).code, "qmlp.message");
      t.regex((fault as Fault).message, message);
      t.deepEqual(bench.blocks, []);
    });
  });
}

test.serial("a message that is not known is answered, and what is odd does no harm", async (t) => {
  await withTime(async (bench) => {
    const unknowns = counting(bench, type.unknown);
    const session = await bench.connect();
    bench.transmit(frame(0x7f, "0102"));
    bench.transmit(frame(type.telemetry, "01"));
    bench.transmit(frame(type.telemetry, `01000100${"00".repeat(8)}0100130a`));
    bench.transmit(frame(type.hello, "00"));
    await eventually("frames of an unknown type", () => unknowns.count, { is: 1 });
    t.is(unknowns.last?.body.toString("hex"), "7f");
    bench.distil(1);
    session.grant(1, 10_000);
    await eventually("blocks", () => bench.blocks.length, { is: 1 });
    t.deepEqual(bench.samples, []);
  });
});

test.serial("unplugged, whenever that is, the session ends within two seconds", async (t) => {
  await withModule(async (bench) => {
    bench.distil(1, 200_000);
    let before = 0;
    for (let round = 0; round < 6; round++) {
      const begun = performance.now();
      const session = await bench.connect();
      const trip = performance.now() - begun;
      if (round === 2) before = descriptors();
      // Idle at first, then in the middle of a block.
      if (round % 2 === 1) {
        session.grant(10, 1_000_000);
        await eventually("bytes received", () => session.quality().bytesReceived, {
          atLeast: 20001,
        });
      }
      const unplugged = performance.now();
      bench.port.unplug();
      const fault = await session.ended;
      // Two seconds of the session's own, and what this machine takes for a few exchanges.
      t.true(performance.now() - unplugged < 2_000 + 10 * trip);
      t.true(fault instanceof Fault);
      t.true(["link.closed", "link.stalled"].includes((fault as Fault).code));
      t.false(existsSync(bench.port.path));
      await session.close();
      bench.port.plug();
    }
    // One more may be the runner's own; a leak would be one of each round.
    t.true(descriptors() <= before, "no descriptor is left");
  });
});

test.serial("a session that ended still closes, whatever was left to say", async (t) => {
  await withTime(async (bench) => {
    const session = await bench.connect();
    bench.transmit(frame(type.bye, "00"));
    await session.ended;
    await settle();
    session.release([ref(1)]);
    session.grant(1, 1);
    await session.close();
    await t.throwsAsync(session.command({ name: "stop" }), { message: /session/ });
  });
});

test.serial("a command that waits when the session ends fails then", async (t) => {
  await withTime(async (bench) => {
    const session = await bench.connect();
    bench.outgoing = silence;
    const command = session.command({ name: "self_test" });
    bench.transmit(frame(type.bye, "00"));
    await t.throwsAsync(command, { instanceOf: Fault, message: /session ended/ });
  });
});

test.serial("a port that is taken or not there is a fault that says so", async (t) => {
  await withTime(async (bench) => {
    await bench.connect();
    await t.throwsAsync(bench.connect(), { instanceOf: Fault, message: /another process has it/ });
    bench.port.unplug();
    await t.throwsAsync(bench.connect(), { instanceOf: Fault, message: /there is no such device/ });
  });
});

test.serial("connecting again and again, in mid-frame or not, leaks no descriptor", async (t) => {
  await withModule(async (bench) => {
    bench.distil(1, 200_000);
    let before = 0;
    for (let round = 0; round < 30; round++) {
      if (round === 5) before = descriptors();
      const session = await bench.connect();
      session.grant(10, 1_000_000);
      if (round % 2 === 0) bench.port.unplug();
      await session.close();
      bench.port.plug();
    }
    t.true(descriptors() <= before + 2);
  });
});
