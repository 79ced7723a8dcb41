import test from "ava";
import { Deframer } from "../../../../drivers/qmlp/deframer.ts";
import {
  flagReliable,
  flagShortCrc,
  type,
  wireBound,
  writeFrame,
} from "../../../../drivers/qmlp/frame.ts";
import { random } from "../../../random.ts";

const maxBody = 1_024;
const end = Buffer.from([0]);

/** Frames with bodies of these lengths, numbered from 0, each as it is on the line. */
function frames(...lengths: number[]): Buffer[] {
  return lengths.map((length, i) => {
    const target = Buffer.alloc(wireBound(length));
    const body = Buffer.alloc(length, i);
    return target.subarray(0, writeFrame(type.more, flagReliable, i, 9, body, target, 0));
  });
}

function deframe(chunks: readonly Buffer[], limit = maxBody) {
  const seen: string[] = [];
  const deframer = new Deframer(limit, ({ seq, body }) => seen.push(`${seq}:${body.length}`));
  for (const chunk of chunks) deframer.push(Buffer.from(chunk));
  return { seen, bad: deframer.bad, good: deframer.good };
}

function garbage(draw: () => number, length: number, zeros: number): Buffer {
  return Buffer.from(Array.from({ length }, () => (draw() < zeros ? 0 : Math.floor(draw() * 256))));
}

test("a stream cut at any point gives the same frames", (t) => {
  const bytes = Buffer.concat(frames(0, 1, 300, 254));
  for (let cut = 0; cut <= bytes.length; cut++) {
    const { seen, bad } = deframe([bytes.subarray(0, cut), bytes.subarray(cut)]);
    t.deepEqual(seen, ["0:0", "1:1", "2:300", "3:254"]);
    t.is(bad, 0);
  }
});

test("a stream in pieces of any size gives the same frames", (t) => {
  const bytes = Buffer.concat(frames(0, 1, 300, 1_024, 0));
  for (let size = 1; size < 400; size += size < 10 ? 1 : 37) {
    const pieces: Buffer[] = [];
    for (let at = 0; at < bytes.length; at += size) pieces.push(bytes.subarray(at, at + size));
    t.deepEqual(deframe(pieces), {
      seen: ["0:0", "1:1", "2:300", "3:1024", "4:0"],
      good: 5,
      bad: 0,
    });
  }
});

test("empty frames are not counted", (t) => {
  const [frame = end] = frames(3);
  t.deepEqual(deframe([end, end, frame, end, Buffer.alloc(100), frame]), {
    seen: ["0:3", "0:3"],
    good: 2,
    bad: 0,
  });
});

test("after any damage to one frame the next one is found", (t) => {
  const [first = end, ...rest] = frames(40, 2, 3);
  for (let at = 0; at < first.length - 1; at++) {
    // A flipped bit, another one, and a byte that becomes the end of a frame.
    for (const change of [1, 0x80, first[at] as number]) {
      const damaged = Buffer.from(first);
      damaged[at] = (damaged[at] as number) ^ change;
      const { seen, bad } = deframe([damaged, ...rest]);
      t.deepEqual(seen, ["1:2", "2:3"], `byte ${at}`);
      t.true(bad >= 1);
    }
    const shorter = [first.subarray(0, at), first.subarray(at + 1)];
    const longer = [first.subarray(0, at), Buffer.from([0x55]), first.subarray(at)];
    t.deepEqual(deframe([...shorter, ...rest]).seen, ["1:2", "2:3"]);
    t.deepEqual(deframe([...longer, ...rest]).seen, ["1:2", "2:3"]);
  }
});

test("a lost end of frame costs two frames and no more", (t) => {
  const [first = end, second = end, third = end] = frames(40, 2, 3);
  const { seen, bad } = deframe([first.subarray(0, -1), second, third]);
  t.deepEqual(seen, ["2:3"]);
  t.is(bad, 1);
});

test("the longest body is taken, a longer one dropped, in one piece or in many", (t) => {
  const [fits = end, beyond = end, next = end] = frames(maxBody, maxBody + 1, 5);
  const pieces = (bytes: Buffer) => [bytes.subarray(0, 700), bytes.subarray(700)];
  for (const cut of [(bytes: Buffer) => [bytes], pieces]) {
    const { seen, bad } = deframe([...cut(fits), ...cut(beyond), next]);
    t.deepEqual(seen, ["0:1024", "2:5"]);
    t.is(bad, 1);
  }
});

test("a frame without end is one bad frame and takes no memory", (t) => {
  const [next = end] = frames(5);
  const seen: number[] = [];
  const deframer = new Deframer(maxBody, ({ body }) => seen.push(body.length));
  const chunk = Buffer.alloc(65_536, 0x55);
  deframer.push(chunk);
  const before = process.memoryUsage().arrayBuffers;
  for (let i = 0; i < 1_000; i++) deframer.push(chunk);
  t.true(process.memoryUsage().arrayBuffers - before < chunk.length);
  t.is(deframer.bad, 1);
  deframer.push(end);
  deframer.push(next);
  t.deepEqual(seen, [5]);
});

test("random bytes give no frame and no exception, and the next good frame is found", (t) => {
  const draw = random(7);
  const [good = end] = frames(33);
  let found = 0;
  let wrong = 0;
  const deframer = new Deframer(256, ({ body }) => {
    if (body.length === 33) found++;
    else wrong++;
  });
  for (let round = 1; round <= 2_000; round++) {
    const length = Math.floor(draw() * 600);
    deframer.push(garbage(draw, length, draw() * 0.3));
    deframer.push(Buffer.concat([end, good]));
    if (found !== round) t.fail(`round ${round}`);
  }
  t.is(wrong, 0);
  t.true(deframer.bad > 1_000);
});

/** A frame of that type with a short CRC, as it is on the line. */
function short(messageType: number, body: Buffer): Buffer {
  const target = Buffer.alloc(wireBound(body.length));
  const flags = flagReliable | flagShortCrc;
  return target.subarray(0, writeFrame(messageType, flags, 7, 9, body, target, 0));
}

/** How many of these frames a peer takes that allows short CRCs, or does not. */
function taken(bytes: Buffer, shortCrc = true): number {
  const deframer = new Deframer(maxBody, () => {}, shortCrc);
  deframer.push(Buffer.from(bytes));
  return deframer.good;
}

test("a short CRC is taken of key only, and only by who allowed it", (t) => {
  for (const length of [0, 1, 87, 88, 89, 300, maxBody]) {
    const body = Buffer.alloc(length, 0x5a);
    t.is(taken(short(type.more, body)), 1, `${length}`);
    t.is(taken(short(type.key, body)), 1, `${length}`);
    t.is(taken(short(type.more, body), false), 0, `${length}`);
    t.is(taken(short(type.release, body)), 0, `${length}`);
  }
});

test("a short CRC finds damage to both headers, and bytes too few or too many, but not damaged key", (t) => {
  const whole = short(type.key, Buffer.alloc(300, 0x5a));
  const changed = (at: number) => {
    const bytes = Buffer.from(whole);
    bytes[at] = (bytes[at] as number) ^ 0x80;
    return bytes;
  };
  // The frame's header has two zeros: what follows the last of them is where it was, one byte on.
  for (let at = 1; at <= 94; at++) t.is(taken(changed(at)), 0, `byte ${at}`);
  t.is(taken(changed(200)), 1);
  const without = Buffer.concat([whole.subarray(0, 200), whole.subarray(201)]);
  const more = Buffer.concat([whole.subarray(0, 200), whole.subarray(199)]);
  t.is(taken(without), 0);
  t.is(taken(more), 0);
});

test("what was wiped does not become part of a frame", (t) => {
  const [frame = end] = frames(5);
  const seen: number[] = [];
  const deframer = new Deframer(maxBody, ({ body }) => seen.push(body.length));
  deframer.push(Buffer.from(frame.subarray(0, 4)));
  deframer.wipe();
  deframer.push(frame);
  t.deepEqual(seen, [5]);
});
