import type { Duplex } from "node:stream";
import test from "ava";
import { ms } from "../../../../src/base/duration.ts";
import type { Fault } from "../../../../src/base/errors.ts";
import { silentLog } from "../../../../src/base/log.ts";
import { frameTimeout, Kq1Session } from "../../../../src/node/io/session.ts";
import type { KeyReply, OnRequestKeys } from "../../../../src/node/keys/ports.ts";
import { QkdKey } from "../../../../src/port/key.ts";
import { KqDeframer } from "../../../../src/wire/kq1/frame.ts";
import { ManualClock, settle } from "../../../clock.ts";
import { frame } from "../../../emulator/km/raw-client.ts";
import { eventually } from "../../../eventually.ts";
import { createLine } from "../../../rig/duplex.ts";

interface Answer {
  readonly messageId: number;
  readonly command: number;
  readonly payload: string;
}

/** A desk that has as many keys as anyone wants. */
const desk: OnRequestKeys = {
  unitBits: 256,
  stored: 1,
  request: ({ number, most, size }): Promise<KeyReply> => {
    const keys = Array.from({ length: Math.min(number, most) }, (_, n) => key(n, size));
    return Promise.resolve({ response: "success", keys });
  },
};

function key(n: number, bits = 256): QkdKey {
  const id = `00000000-0000-8000-8000-${n.toString(16).padStart(12, "0")}`;
  const facts = { ref: { epoch: "0".repeat(16), number: n }, bits, qber: 0.03 };
  return new QkdKey(id, facts, Buffer.alloc(bits / 8, n + 1), bits);
}

function open(given: OnRequestKeys | undefined = desk) {
  const { node, km } = createLine();
  const clock = new ManualClock();
  const session = new Kq1Session(
    node,
    {
      where: "km",
      moduleId: "QKD-A",
      matchingModuleId: "QKD-B",
      window: 64,
      answerTimeout: ms(5_000),
      ...(given !== undefined && { desk: given }),
      kmNames: ["km"],
      clock,
      log: silentLog,
    },
    { answered: () => {} },
  );
  return { session, km, clock };
}

/** Whatever the node sends until the line ends, or has nothing more to say. */
function listen(km: Duplex): Answer[] {
  const answers: Answer[] = [];
  const deframer = new KqDeframer(({ messageId, command, payload }) =>
    answers.push({ messageId, command, payload: payload.toString() }),
  );
  km.on("data", (chunk: Buffer) => deframer.push(chunk));
  return answers;
}

async function quiet(): Promise<void> {
  for (let i = 0; i < 20; i++) await settle();
}

async function close(session: Kq1Session, km: Duplex): Promise<void> {
  const closed = session.close();
  km.destroy();
  await closed;
}

const invalid = '{"keys":[],"response":"invalid_message"}';

/** Table 3 over TCP: a parameter, what it may be, and the response. */
const table: readonly [string, string, RegExp][] = [
  [
    "nothing",
    "{}",
    /^\{"keys":\[\{"key_ID":"[^"]{36}","key_extension":\{"qber":0.03,"sequence":0\},"key":"[A-Za-z0-9+/]{43}="\}\],"response":"success"\}$/,
  ],
  ["number", '{"number":2}', /"key".*"key".*success/],
  ["number at its largest", '{"number":1000000}', /"extension":\[\{"remaining":\d+\}\]/],
  ["number too large", '{"number":1000001}', /invalid_message/],
  ["number 0", '{"number":0}', /invalid_message/],
  ["number of a wrong type", '{"number":"1"}', /invalid_message/],
  ["number empty", '{"number":null}', /invalid_message/],
  ["size", '{"size":64}', /"key":"[A-Za-z0-9+/]{11}="/],
  ["size not of whole bytes", '{"size":12}', /invalid_message/],
  ["size of a wrong type", '{"size":[]}', /invalid_message/],
  ["extension", '{"extension":[{"a":1}]}', /success/],
  ["extension empty", '{"extension":[]}', /success/],
  ["extension of a wrong type", '{"extension":{}}', /invalid_message/],
  ["extension of wrong members", '{"extension":[1]}', /invalid_message/],
  ["what nobody knows", '{"unknown":{"deep":[1]}}', /success/],
];

for (const [what, payload, expected] of table) {
  test(`key request with ${what}: answered, and the connection goes on`, async (t) => {
    const { session, km } = open();
    const answers = listen(km);
    km.write(frame(7, payload, { code: 3 }));
    km.write(frame(8, "{}", { code: 3 }));
    await quiet();
    t.like(answers[0], { messageId: 7, command: 4 });
    t.regex(answers[0]?.payload ?? "", expected);
    t.regex(answers[1]?.payload ?? "", /success/);
    await close(session, km);
  });
}

/** What can't be followed: a frame, and whether it is a command, which gets an answer. */
const broken: readonly [string, Buffer, boolean][] = [
  ["not JSON", frame(7, "{", { code: 3 }), true],
  ["no object", frame(7, "[]", { code: 3 }), true],
  ["an empty payload", frame(7, "", { code: 3 }), true],
  ["a wrong version", frame(7, "{}", { code: 3, version: 2 }), true],
  ["an unknown code", frame(7, "{}", { code: 9 }), true],
  ["a command that only the node sends", frame(7, "{}", { code: 1 }), true],
  ["an answer of a wrong version", frame(7, "{}", { code: 2, version: 2 }), false],
  ["an answer that only the node gives", frame(7, "{}", { code: 4 }), false],
  ["an answer to nothing", frame(7, '{"response":"busy"}', { code: 2 }), false],
];

for (const [what, bytes, answered] of broken) {
  test(`${what} ends the connection${answered ? " after its answer" : ""}`, async (t) => {
    const { session, km } = open();
    const answers = listen(km);
    const closed = new Promise((resolve) => km.once("close", resolve));
    km.write(bytes);
    const error = (await session.ended) as Fault;
    t.regex(error.code, /^kq1\.(frame|message)$/);
    await closed;
    t.deepEqual(answers, answered ? [{ messageId: 7, command: 4, payload: invalid }] : []);
  });
}

test("the last answer goes out though other messages wait before it", async (t) => {
  const { session, km } = open();
  for (let n = 0; n < 64; n++) session.supply(key(n, 65_536));
  km.write(frame(7, "{", { code: 3 }));
  await session.ended;
  const answers = listen(km);
  await new Promise((resolve) => km.once("end", resolve));
  t.is(answers.length, 65);
  t.is(answers[64]?.payload, invalid);
});

test("in proactive mode a request is answered, and keys go on", async (t) => {
  const { node, km } = createLine();
  const clock = new ManualClock();
  const common = { where: "km", moduleId: "A", matchingModuleId: "B", window: 4, clock };
  const told: string[] = [];
  const session = new Kq1Session(
    node,
    { ...common, answerTimeout: ms(5_000), log: silentLog },
    { answered: ({ id }, response) => told.push(`${id} ${response}`) },
  );
  const answers = listen(km);
  km.write(frame(1, "{}", { code: 3 }));
  session.supply(key(1));
  await quiet();
  t.is(answers.find(({ command }) => command === 4)?.payload, invalid);
  km.write(frame(0, JSON.stringify({ key_ID: key(1).id, response: "success" }), { code: 2 }));
  await quiet();
  t.deepEqual(told, [`${key(1).id} success`]);
  await close(session, km);
});

test("a KM that asks and reads nothing is not read from: memory stays as it is", async (t) => {
  const { session, km } = open();
  let taken = 0;
  const request = frame(1, `{"number":1000}${" ".repeat(20_000)}`, { code: 3 });
  for (let i = 0; i < 400; i++) {
    km.write(request, () => taken++);
    await settle();
  }
  await quiet();
  // Each answer has 65 kB; 400 of them were 26 MB.
  t.true(taken < 200, `${taken} requests were read`);
  const answers = listen(km);
  await eventually("answers", () => answers.length, { atLeast: 400 });
  t.pass();
  await close(session, km);
});

test("a frame that is begun and not finished ends the connection", async (t) => {
  const { session, km, clock } = open();
  km.write(frame(1, '{"number":1}', { code: 3 }).subarray(0, 11));
  await quiet();
  await clock.advance(frameTimeout - 1);
  // One byte more is no frame either.
  km.write(Buffer.from('"'));
  await quiet();
  await clock.advance(1);
  t.is(((await session.ended) as Fault).code, "kq1.timeout");
  t.is(clock.timers, 0);
});
