import test from "ava";
import { Arq } from "../../../../drivers/qmlp/arq.ts";
import { type Frame, flagNak, flagReliable, type } from "../../../../drivers/qmlp/frame.ts";
import { random } from "../../../random.ts";

/** One side: an Arq, what it accepted, and what it put on the line. */
class Side {
  readonly arq: Arq;
  readonly accepted: number[] = [];
  line: Frame[] = [];

  constructor(window: number) {
    this.arq = new Arq(window, window, (messageType, flags, seq, ack, body) => {
      this.line.push({
        type: messageType,
        reliable: (flags & flagReliable) !== 0,
        nak: (flags & flagNak) !== 0,
        seq,
        ack,
        body: Buffer.from(body),
      });
    });
  }

  receive(frame: Frame, now: number): void {
    if (this.arq.receive(frame, now) && frame.reliable) {
      this.accepted.push(frame.body.readUInt32LE(0));
    }
  }
}

function numbered(n: number): Buffer {
  const body = Buffer.alloc(4);
  body.writeUInt32LE(n);
  return body;
}

interface Channel {
  /** Which part of the frames is lost, 0 to 1. */
  readonly loss: number;
  /** Which part arrives twice. */
  readonly doubled?: number;
  /** How long a frame is on its way, ms. */
  readonly delay?: number;
}

/** Sends `count` frames each way over a channel. @returns also the time it took, ms */
function exchange(seed: number, channel: Channel, count: number, window: number) {
  const { loss, doubled = 0, delay = 0 } = channel;
  const draw = random(seed);
  const a = new Side(window);
  const b = new Side(window);
  const onWay: { readonly frame: Frame; readonly to: Side; readonly at: number }[] = [];
  let now = 0;
  let mostOnLine = 0;
  const sent = [0, 0];
  for (; now < 600_000 && (a.accepted.length < count || b.accepted.length < count); now += 5) {
    [a, b].forEach((side, i) => {
      while (side.arq.room > 0 && (sent[i] as number) < count) {
        side.arq.queue(type.more, numbered(sent[i] as number));
        sent[i] = (sent[i] as number) + 1;
      }
      side.arq.pump(now, 8);
    });
    for (const [from, to] of [
      [a, b],
      [b, a],
    ] as const) {
      mostOnLine = Math.max(mostOnLine, from.arq.pending);
      for (const frame of from.line) {
        if (draw() < loss) continue;
        onWay.push({ frame, to, at: now + delay });
        if (draw() < doubled) onWay.push({ frame, to, at: now + delay });
      }
      from.line = [];
    }
    while ((onWay[0]?.at ?? Number.POSITIVE_INFINITY) <= now) {
      const arrived = onWay.shift();
      arrived?.to.receive(arrived.frame, now);
    }
  }
  return { a, b, now, mostOnLine };
}

const expected = (count: number) => Array.from({ length: count }, (_, i) => i);

for (const loss of [0, 0.01, 0.2, 0.5]) {
  test(`everything arrives once and in order at a loss of ${loss * 100} %`, (t) => {
    for (let seed = 1; seed <= 10; seed++) {
      const { a, b } = exchange(seed, { loss }, 200, 16);
      t.deepEqual(a.accepted, expected(200));
      t.deepEqual(b.accepted, expected(200));
      if (loss === 0) t.is(a.arq.resent + b.arq.resent, 0, "nothing is sent twice for nothing");
    }
  });
}

test("everything arrives once and in order when frames take their time and come twice", (t) => {
  for (let seed = 1; seed <= 20; seed++) {
    const channel = { loss: 0.1, doubled: 0.2, delay: seed * 7 };
    for (const window of [1, 3, 64]) {
      const { a, b, mostOnLine } = exchange(seed, channel, 100, window);
      t.deepEqual(a.accepted, expected(100));
      t.deepEqual(b.accepted, expected(100));
      t.true(mostOnLine <= window);
    }
  }
});

test("numbers wrap around after 65,536 frames", (t) => {
  const { a, b } = exchange(1, { loss: 0.001 }, 70_000, 1_024);
  t.is(a.accepted.length, 70_000);
  t.is(b.accepted.at(-1), 69_999);
});

test("a frame that comes twice is accepted once and acknowledged", (t) => {
  const side = new Side(8);
  side.receive(arriving(0), 0);
  side.receive(arriving(0), 1);
  t.deepEqual(side.accepted, [0]);
  side.arq.pump(1, 8);
  t.is(side.line.at(-1)?.ack, 1);
});

/** A reliable frame, as it arrives. */
function arriving(seq: number, ack = 0): Frame {
  return { type: type.more, reliable: true, nak: false, seq, ack, body: numbered(seq) };
}

/** An ACK, as it arrives. */
function acknowledging(ack: number, more: Partial<Frame> = {}): Frame {
  const body = Buffer.alloc(0);
  return { type: type.ack, reliable: false, nak: false, seq: 0, ack, body, ...more };
}

/** Numbers of the reliable frames that the side put on the line since the last look. */
function resent(side: Side): number[] {
  const numbers = side.line.filter(({ reliable }) => reliable).map(({ seq }) => seq);
  side.line = [];
  return numbers;
}

/** A side that has put these frames on the line at time 0. */
function sender(count: number): Side {
  const side = new Side(64);
  for (let i = 0; i < count; i++) side.arq.queue(type.more, numbered(i));
  side.arq.pump(0, 64);
  side.line = [];
  return side;
}

test("an acknowledgement goes out after 20 ms, or after a quarter of the window", (t) => {
  const slow = new Side(64);
  slow.receive(arriving(0), 100);
  slow.arq.pump(119, 8);
  t.deepEqual(slow.line, []);
  t.is(slow.arq.due, 120);
  slow.arq.pump(120, 8);
  t.like(slow.line, [{ type: type.ack, nak: false, ack: 1 }]);

  const busy = new Side(64);
  for (let seq = 0; seq < 15; seq++) busy.receive(arriving(seq), 0);
  busy.arq.pump(0, 8);
  t.deepEqual(busy.line, []);
  busy.receive(arriving(15), 0);
  busy.arq.pump(0, 8);
  t.like(busy.line, [{ type: type.ack, ack: 16 }]);
});

test("without acknowledgement everything is sent again after 0.5, 1, 2 and 2 seconds", (t) => {
  const side = sender(3);
  let now = 0;
  for (const wait of [500, 1_000, 2_000, 2_000]) {
    side.arq.pump(now + wait - 1, 64);
    t.deepEqual(resent(side), []);
    now += wait;
    t.is(side.arq.due, now);
    side.arq.pump(now, 64);
    t.deepEqual(resent(side), [0, 1, 2]);
  }
  // Progress brings the first interval back.
  side.receive(acknowledging(1), now);
  side.arq.pump(now + 499, 64);
  t.deepEqual(resent(side), []);
  side.arq.pump(now + 500, 64);
  t.deepEqual(resent(side), [1, 2]);
  t.is(side.arq.resent, 14);
});

test("a NAK brings everything from its number on, and its repeat within 50 ms nothing", (t) => {
  const side = sender(5);
  const nak = acknowledging(2, { nak: true });
  side.receive(nak, 10);
  side.arq.pump(10, 64);
  t.deepEqual(resent(side), [2, 3, 4]);
  side.receive(nak, 59);
  side.arq.pump(59, 64);
  t.deepEqual(resent(side), []);
  side.receive(nak, 60);
  side.arq.pump(60, 64);
  t.deepEqual(resent(side), [2, 3, 4]);
});

test("a frame without R shows a gap too, and is acted upon itself", (t) => {
  const side = new Side(64);
  t.true(side.arq.receive(acknowledging(0, { seq: 1 }), 0));
  side.arq.pump(0, 8);
  t.like(side.line, [{ type: type.ack, nak: true, ack: 0 }]);
  side.receive(arriving(0), 1);
  side.arq.pump(200, 8);
  t.is(side.line.filter(({ nak }) => nak).length, 1, "the gap is closed");
});

test("a gap is reported once, and again only after a while", (t) => {
  const side = new Side(64);
  for (let seq = 1; seq < 10; seq++) {
    side.receive(arriving(seq), seq);
    side.arq.pump(seq, 8);
  }
  t.is(side.line.filter(({ nak }) => nak).length, 1);
  side.arq.pump(150, 8);
  t.is(side.line.filter(({ nak }) => nak).length, 2);
  t.deepEqual(side.accepted, []);
});

test("an acknowledgement of what was never sent is ignored", (t) => {
  const side = new Side(8);
  side.arq.queue(type.more, numbered(0));
  side.arq.pump(0, 8);
  side.receive(acknowledging(2), 1);
  t.is(side.arq.pending, 1);
  side.receive(acknowledging(1), 1);
  t.is(side.arq.pending, 0);
});

test("what was acknowledged is wiped", (t) => {
  const side = new Side(8);
  const body = numbered(0x01020304);
  side.arq.queue(type.more, body);
  side.arq.pump(0, 8);
  side.receive(acknowledging(1), 1);
  t.true(body.every((byte) => byte === 0));
});
