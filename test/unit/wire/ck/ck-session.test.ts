import test from "ava";
import { Fault } from "../../../../src/base/errors.ts";
import { decodeMessage, encodeMessage } from "../../../../src/wire/ck/grpc.ts";
import { CkGrpcLine } from "../../../../src/wire/ck/grpc-line.ts";
import type { CkCommand, CkMessage, CkMessageOf } from "../../../../src/wire/ck/messages.ts";
import { firstIdOf, limits, times } from "../../../../src/wire/ck/names.ts";
import { commandAt, pathOf, relayResultPath, served } from "../../../../src/wire/ck/rpc.ts";
import { type CkAsked, CkSession } from "../../../../src/wire/ck/session.ts";
import { messageTypes, type Side, specOf } from "../../../../src/wire/ck/table.ts";
import { encodeFrames } from "../../../../src/wire/ck/tcp.ts";
import { CkTcpLine } from "../../../../src/wire/ck/tcp-line.ts";
import { ManualClock, settle } from "../../../clock.ts";
import { allSamples, samples } from "../../../rig/ck-samples.ts";

class End {
  readonly asked: CkAsked[] = [];
  readonly ends: Fault[] = [];
  /** What its carrier was closed with. */
  readonly closed: Fault[] = [];
  readonly session: CkSession;
  readonly push: (bytes: Buffer) => void;
  written: Buffer[] = [];
  since: number | undefined;

  constructor(side: Side, clock: ManualClock, isTcp: boolean, ours = true) {
    const io = {
      write: (bytes: Uint8Array) => void this.written.push(Buffer.from(bytes)),
      close: (why: Fault) => void this.closed.push(why),
      now: () => clock.now(),
      since: () => this.since,
    };
    const carrier = isTcp ? new CkTcpLine(io) : new CkGrpcLine(io);
    this.session = new CkSession({
      side,
      carrier,
      clock,
      ours,
      report: () => ({ type: "report", sourceKm: "km-a", at: clock.wall() }),
      handlers: {
        onCommand: (asked) => this.asked.push(asked),
        onEnd: (why) => this.ends.push(why),
      },
    });
    this.push = (bytes) => carrier.push(bytes, this.session);
  }

  /** What was written since. */
  take(): Buffer[] {
    const written = this.written;
    this.written = [];
    return written;
  }
}

class Pair {
  readonly clock = new ManualClock();
  readonly km: End;
  readonly controller: End;

  constructor(isTcp: boolean, ours = true) {
    this.km = new End("km", this.clock, isTcp, ours);
    this.controller = new End("controller", this.clock, isTcp, ours);
  }

  /** Brings what was written to the other end, until nothing is. */
  async flow(): Promise<void> {
    for (let round = 0; round < 8; round++) {
      for (const bytes of this.km.take()) this.controller.push(bytes);
      for (const bytes of this.controller.take()) this.km.push(bytes);
      await settle();
    }
  }
}

const both = [true, false] as const;
const over = (isTcp: boolean) => (isTcp ? "TCP" : "gRPC");
const answerOf = (command: CkMessage) =>
  allSamples.find(({ type }) => type === specOf[command.type].answer) as CkMessage;

for (const isTcp of both) {
  test(`each command is answered, from both sides at once, over ${over(isTcp)}`, async (t) => {
    const pair = new Pair(isTcp);
    for (const message of allSamples) {
      const { from, answer } = specOf[message.type];
      if (answer === undefined) continue;
      const [own, other] = from === "km" ? [pair.km, pair.controller] : [pair.controller, pair.km];
      const answered = own.session.request(message as CkCommand);
      await pair.flow();
      const asked = other.asked.pop();
      t.deepEqual(asked?.message as CkMessage, message);
      asked?.reply(answerOf(message)).catch((error) => t.fail(String(error)));
      await pair.flow();
      t.deepEqual((await answered).message as CkMessage, answerOf(message));
      if (message.type === "relayNotification") {
        (await answered).reply?.(samples.relayResponse);
        await pair.flow();
      }
    }
    t.is(pair.km.session.waiting + pair.controller.session.waiting, 0);
    t.deepEqual(pair.km.session.counts, { unreadable: 0, late: 0, unknown: 0, busy: 0 });
    t.deepEqual(pair.controller.session.counts, { unreadable: 0, late: 0, unknown: 0, busy: 0 });
  });

  test(`a route that answers a notification is answered under its MessageID, over ${over(isTcp)}`, async (t) => {
    const pair = new Pair(isTcp);
    const route = pair.km.session.request(samples.relayNotification);
    await pair.flow();
    const result = pair.controller.asked[0]?.reply(samples.relayRequest, 60_000);
    // Meanwhile the controller begins another relay at this KM.
    const other = pair.controller.session.request({ ...samples.relayRequest, requestId: "other" });
    await pair.flow();
    const { message, reply } = await route;
    t.deepEqual(message, samples.relayRequest);
    t.is(pair.km.asked.length, 1);
    await pair.km.asked[0]?.reply({ type: "relayResponse", response: "busy", requestId: "other" });
    reply?.(samples.relayResponse);
    await pair.flow();
    t.deepEqual(await result, samples.relayResponse);
    t.like(await other, { message: { response: "busy", requestId: "other" } });
    // A second answer changes nothing.
    reply?.({ type: "relayResponse", response: "relay_failed" });
    await pair.flow();
    t.is(pair.controller.session.counts.late, 0);
  });

  test(`a refused route asks for nothing more, over ${over(isTcp)}`, async (t) => {
    const pair = new Pair(isTcp);
    const route = pair.km.session.request(samples.relayNotification);
    await pair.flow();
    const refusal = {
      type: "relayRequest",
      transitKmas: [],
      extension: [{ response: "no_route" }],
    } as const;
    t.is(await pair.controller.asked[0]?.reply(refusal), undefined);
    await pair.flow();
    const { message, reply } = await route;
    t.deepEqual([message, reply], [refusal, undefined]);
    t.is(pair.controller.session.waiting, 0);
  });

  test(`a command that cannot be read is refused and named; an answer fails its command, over ${over(isTcp)}`, async (t) => {
    const pair = new Pair(isTcp);
    const { km, controller } = pair;
    const good = Buffer.from("source_kma_id");
    const spoil = (bytes: Buffer) => {
      // Over TCP the member has another name; over gRPC its text is no UTF-8.
      const at = bytes.indexOf(isTcp ? good : "kma-a");
      bytes.fill(isTcp ? "x" : Buffer.from([0xff]), at, at + 5);
      return bytes;
    };
    const reservation = controller.session.request(samples.reservationRequest);
    for (const bytes of controller.take()) km.push(spoil(bytes));
    await pair.flow();
    t.like(await reservation, {
      message: { type: "reservationResponse", response: "invalid_message" },
    });
    t.is(km.session.counts.unreadable, 1);
    t.is(km.asked.length, 0);

    const hop = km.session.request({ type: "nextHopRequest", destinationApp: "app-c" });
    await pair.flow();
    const { destinationKma: _, ...unnamed } = samples.nextHopResponse;
    await t.throwsAsync(controller.asked[0]?.reply(unnamed) as Promise<unknown>, {
      code: "ck.message",
    });
    await controller.asked[0]?.reply({ ...samples.nextHopResponse, destinationKma: "kma-c" });
    await pair.flow();
    t.like(await hop, { message: { destinationKma: "kma-c" } });
    t.false(km.session.isOver || controller.session.isOver);
  });

  test(`an answer in time, late, and to nothing, over ${over(isTcp)}`, async (t) => {
    const pair = new Pair(isTcp, false);
    const early = pair.km.session.request(samples.sessionRequest, 500);
    await pair.flow();
    const failed = t.throwsAsync(early, { code: "ck.timeout" });
    await pair.clock.advance(501);
    await failed;
    await pair.controller.asked[0]?.reply(samples.sessionResponse);
    await pair.flow();
    t.is(pair.km.session.counts.late, 1);
    t.is(pair.km.session.waiting, 0);
  });

  test(`silence ends a connection between ends of ours, and a KM is never silent, over ${over(isTcp)}`, async (t) => {
    const pair = new Pair(isTcp);
    for (let n = 0; n < 6; n++) {
      await pair.clock.advance(times.every);
      await pair.flow();
      await pair.controller.asked.pop()?.reply(samples.reportResponse);
      await pair.flow();
    }
    t.false(pair.km.session.isOver || pair.controller.session.isOver);
    const waiting = t.throwsAsync(pair.km.session.request(samples.sessionRequest, 60_000));
    await pair.clock.advance(times.silence + 1_000);
    t.like(pair.km.ends, [{ code: "ck.timeout" }]);
    t.true((await waiting) === pair.km.ends[0]);
    t.like(pair.controller.ends, [{ code: "ck.timeout" }]);
    await t.throwsAsync(pair.km.session.request(samples.sessionRequest), { code: "ck.timeout" });
    t.is(pair.clock.timers, 0);

    // An end that speaks the draft alone may say nothing for as long as it likes.
    const other = new Pair(isTcp, false);
    await other.clock.advance(10 * times.silence);
    t.false(other.km.session.isOver || other.controller.session.isOver);
    t.is(other.km.take().length, 0);
  });
}

test("commands of one side without an answer are bounded, at both ends", async (t) => {
  const pair = new Pair(true, false);
  const { km, controller } = pair;
  const answers = Array.from({ length: limits.unanswered }, () =>
    km.session.request(samples.sessionRequest, 1e6),
  );
  await t.throwsAsync(km.session.request(samples.sessionRequest), { code: "ck.busy" });
  await pair.flow();
  t.is(controller.asked.length, limits.unanswered);
  // An end that goes beyond it is refused, and so is one that uses a MessageID twice.
  for (const id of [9_999, 5]) {
    for (const bytes of encodeFrames(samples.sessionRequest, id)) controller.push(bytes);
  }
  t.is(controller.session.counts.busy, 2);
  t.regex(Buffer.concat(controller.take()).toString(), /"response":"busy".*"response":"busy"/s);
  for (const asked of controller.asked) await asked.reply(samples.sessionResponse);
  await pair.flow();
  t.is((await Promise.all(answers)).length, limits.unanswered);
});

test("each side numbers its own commands, in its own range", async (t) => {
  const { km, controller } = new Pair(true);
  for (const [end, message] of [
    [km, samples.sessionRequest],
    [controller, samples.reservationRequest],
  ] as const) {
    for (let n = 0; n < 3; n++) end.session.request(message).catch(() => {});
    const first = end === km ? firstIdOf.km : firstIdOf.controller;
    t.deepEqual(
      end.take().map((frame) => frame.readUInt32BE(2)),
      [first, first + 1, first + 2],
    );
  }
});

test("another version ends the connection; a command that is not known does not", (t) => {
  const { km } = new Pair(true);
  const [frame = Buffer.alloc(0)] = encodeFrames(samples.reservationRequest, 1);
  const unknown = Buffer.from(frame);
  unknown.writeUInt16BE(0x41ee, 6);
  km.push(unknown);
  km.push(frame);
  t.is(km.session.counts.unknown, 1);
  t.is(km.asked.length, 1);
  const version = Buffer.from(frame);
  version.writeUInt16BE(2, 0);
  km.push(version);
  t.like(km.ends, [{ code: "ck.frame", facts: { version: 2, expected: 1 } }]);
  km.push(frame);
  t.is(km.asked.length, 1);
});

test("a message of this end's own ends the connection: whatever is there does not know its part", (t) => {
  for (const isTcp of both) {
    const { km } = new Pair(isTcp);
    const donor = new Pair(isTcp).km;
    donor.session.request(samples.sessionRequest).catch(() => {});
    for (const bytes of donor.take()) km.push(bytes);
    t.like(
      km.ends,
      [{ code: "ck.frame", facts: { message: "Session creation request" } }],
      over(isTcp),
    );
  }
});

test("a frame that is begun is complete in time, or the connection ends", async (t) => {
  for (const half of [
    encodeFrames(samples.reservationRequest, 1)[0]?.subarray(0, 30),
    encodeFrames(
      { ...samples.reservationResponse, keyIds: Array(3_000).fill("a".repeat(40)) },
      1,
    )[0],
  ]) {
    const pair = new Pair(true, false);
    const end = half?.length === 30 ? pair.km : pair.controller;
    end.push(half as Buffer);
    await pair.clock.advance(times.message - 1_000);
    t.false(end.session.isOver);
    await pair.clock.advance(2_000);
    t.like(end.ends, [{ code: "ck.timeout", facts: { limit_ms: times.message } }]);
  }
});

test("commands have an RPC each at the side that they are for", (t) => {
  for (const type of messageTypes) {
    const { rpc, from, answer } = specOf[type];
    t.is(rpc !== undefined, answer !== undefined, type);
    if (rpc === undefined) continue;
    const path = pathOf(type);
    t.is(commandAt(from === "km" ? "controller" : "km", path), type);
    t.is(commandAt(from, path), undefined);
  }
});

test("a command is of the side that sends it, and an answer of the kind that is asked for", async (t) => {
  const pair = new Pair(true);
  await t.throwsAsync(pair.km.session.request(samples.reservationRequest), { code: "ck.message" });
  const hop = pair.km.session.request(samples.nextHopRequest);
  await pair.flow();
  await t.throwsAsync(
    pair.controller.asked[0]?.reply(samples.sessionResponse) as Promise<unknown>,
    {
      code: "ck.message",
    },
  );
  const wrong: CkMessageOf<"nextHopResponse"> = { type: "nextHopResponse", nextKmas: [""] };
  await t.throwsAsync(pair.controller.asked[0]?.reply(wrong) as Promise<unknown>);
  await pair.controller.asked[0]?.reply(samples.nextHopResponse);
  await pair.flow();
  t.is((await hop).message.nextKmas.length, 2);
  pair.km.session.end(new Fault("stopped", "a test"));
  pair.km.session.end(new Fault("ck.closed", "a test"));
  t.deepEqual(
    pair.km.ends.map(({ code }) => code),
    ["stopped"],
  );
  t.deepEqual(pair.km.closed, pair.km.ends);
});

test("a route that does not say where it leads is refused, and fails the notification", async (t) => {
  const { km } = new Pair(true);
  const route = t.throwsAsync(km.session.request(samples.relayNotification), {
    code: "ck.message",
  });
  km.take();
  const { destinationKma: _, ...unnamed } = samples.relayRequest;
  for (const frame of encodeFrames(unnamed, firstIdOf.km)) km.push(frame);
  await route;
  const told = Buffer.concat(km.take());
  t.is(told.readUInt16BE(6), specOf.relayResponse.code);
  t.regex(told.toString(), /"response":"invalid_message"/);
  // An answer that asks for nothing more is not answered.
  const hop = t.throwsAsync(km.session.request({ type: "nextHopRequest", destinationApp: "a" }));
  km.take();
  const { destinationKma: __, ...nowhere } = samples.nextHopResponse;
  for (const frame of encodeFrames(nowhere, firstIdOf.km + 1)) km.push(frame);
  await hop;
  t.deepEqual(km.take(), []);
  t.is(km.session.counts.unreadable, 2);
});

test("a connection that ends while a command is written fails it at once", async (t) => {
  const clock = new ManualClock();
  const why = new Fault("ck.closed", "a test");
  const session: CkSession = new CkSession({
    side: "km",
    carrier: { send: () => session.end(why), since: undefined, close: () => {} },
    clock,
    ours: true,
    handlers: { onCommand: () => {}, onEnd: () => {} },
  });
  t.true((await t.throwsAsync(session.request(samples.sessionRequest))) === why);
  t.is(clock.timers, 0);
  t.is(session.waiting, 0);
});

test("a refusal says of which session and which relay it is", async (t) => {
  const { km } = new Pair(true);
  for (let id = 0; id < limits.unanswered; id++) {
    for (const frame of encodeFrames(samples.reservationRequest, id)) km.push(frame);
  }
  for (const [message, told] of [
    [samples.sessionNotification, { session_id: "session-9", response: "busy" }],
    [samples.relayRequest, { response: "busy", key_relay_request_id: "relay-7" }],
  ] as const) {
    for (const frame of encodeFrames(message, 9_999)) km.push(frame);
    t.deepEqual(JSON.parse(Buffer.concat(km.take()).subarray(10).toString()), told);
  }
});

test("how a relay went is told to the controller alone, and a call is answered by its answer", async (t) => {
  const heard: CkMessage[] = [];
  const answer = async (message: CkMessage): Promise<CkMessage | undefined> => {
    heard.push(message);
    return message.type === "relayResponse" ? undefined : samples.nextHopResponse;
  };
  const at = (side: Side, path: string) => served(side, path, answer);
  t.is(at("km", relayResultPath), undefined);
  const empty = await at("controller", relayResultPath)?.(encodeMessage(samples.relayResponse));
  t.is(empty?.length, 0);
  t.deepEqual(heard, [samples.relayResponse]);
  const hop = at("controller", pathOf("nextHopRequest"));
  const answered = await hop?.(encodeMessage(samples.nextHopRequest));
  t.deepEqual(decodeMessage("nextHopResponse", answered as Uint8Array), samples.nextHopResponse);
  const session = at("controller", pathOf("sessionRequest"));
  await t.throwsAsync(session?.(encodeMessage(samples.sessionRequest)) as Promise<unknown>, {
    code: "ck.message",
  });
});
