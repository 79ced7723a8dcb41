import test from "ava";
import { Arq } from "../../drivers/qmlp/arq.ts";
import { type Frame, flagNak, flagReliable, type } from "../../drivers/qmlp/frame.ts";
import { random } from "../random.ts";

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

/** Sends `count` frames each way over a line that loses frames. @returns the time it took, ms */
function exchange(seed: number, loss: number, count: number, window: number) {
  const draw = random(seed);
  const a = new Side(window);
  const b = new Side(window);
  let now = 0;
  const sent = [0, 0];
  for (; now < 600_000 && (a.accepted.length < count || b.accepted.length < count); now += 5) {
    [a, b].forEach((side, i) => {
      while (side.arq.room > 0 && (sent[i] as number) < count) {
        side.arq.queue(type.more, numbered(sent[i] as number));
        sent[i] = (sent[i] as number) + 1;
      }
      side.arq.pump(now, 8);
    });
    const fromA = a.line;
    const fromB = b.line;
    a.line = [];
    b.line = [];
    for (const frame of fromA) if (draw() >= loss) b.receive(frame, now);
    for (const frame of fromB) if (draw() >= loss) a.receive(frame, now);
  }
  return { a, b, now };
}

const expected = (count: number) => Array.from({ length: count }, (_, i) => i);

for (const loss of [0, 0.01, 0.2, 0.5]) {
  test(`everything arrives once and in order at a loss of ${loss * 100} %`, (t) => {
    for (let seed = 1; seed <= 10; seed++) {
      const { a, b } = exchange(seed, loss, 200, 16);
      t.deepEqual(a.accepted, expected(200));
      t.deepEqual(b.accepted, expected(200));
      if (loss === 0) t.is(a.arq.resent + b.arq.resent, 0, "nothing is sent twice for nothing");
    }
  });
}

test("numbers wrap around after 65,536 frames", (t) => {
  const { a, b } = exchange(1, 0.001, 70_000, 1_024);
  t.is(a.accepted.length, 70_000);
  t.is(b.accepted.at(-1), 69_999);
});

test("a frame that comes twice is accepted once and acknowledged", (t) => {
  const side = new Side(8);
  const frame = { type: type.more, reliable: true, nak: false, seq: 0, ack: 0, body: numbered(7) };
  side.receive(frame, 0);
  side.receive(frame, 1);
  t.deepEqual(side.accepted, [7]);
  side.arq.pump(1, 8);
  t.is(side.line.at(-1)?.ack, 1);
});

test("a gap is reported once, and again only after a while", (t) => {
  const side = new Side(64);
  const frame = (seq: number) => ({
    type: type.more,
    reliable: true,
    nak: false,
    seq,
    ack: 0,
    body: numbered(seq),
  });
  for (let seq = 1; seq < 10; seq++) {
    side.receive(frame(seq), seq);
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
  const ack = { type: type.ack, reliable: false, nak: false, seq: 0, body: Buffer.alloc(0) };
  side.receive({ ...ack, ack: 2 }, 1);
  t.is(side.arq.pending, 1);
  side.receive({ ...ack, ack: 1 }, 1);
  t.is(side.arq.pending, 0);
});

test("what was acknowledged is wiped", (t) => {
  const side = new Side(8);
  const body = numbered(0x01020304);
  side.arq.queue(type.more, body);
  side.arq.pump(0, 8);
  side.receive(
    { type: type.ack, reliable: false, nak: false, seq: 0, ack: 1, body: Buffer.alloc(0) },
    1,
  );
  t.true(body.every((byte) => byte === 0));
});
