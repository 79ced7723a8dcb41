import test from "ava";
import { Fault } from "../../../../src/base/errors.ts";
import { Kq2Session } from "../../../../src/node/io/kq2-session.ts";
import { frameOf } from "../../../../src/wire/kq2/frame.ts";
import { command, limits } from "../../../../src/wire/kq2/names.ts";
import { encodeResponse, encodeStatus } from "../../../../src/wire/kq2/status.ts";
import { ManualClock } from "../../../clock.ts";
import { eventually } from "../../../eventually.ts";
import { random } from "../../../random.ts";
import { createLine } from "../../../rig/duplex.ts";
import { statusOfA } from "../../../rig/kq2-status.ts";

function open() {
  const { node, km } = createLine();
  const clock = new ManualClock();
  const answers: [string, string][] = [];
  const session = new Kq2Session(node, {
    where: "km:1",
    clock,
    answered: (module, response) => void answers.push([module, response]),
  });
  km.on("error", () => {});
  km.resume();
  const tell = (module = "a") => session.send(module, encodeStatus(statusOfA()));
  return { session, km, clock, answers, tell };
}

const success = (id: number) => frameOf(id, command.statusResponse, encodeResponse("success"));

test("answers find their module, in any order and in any pieces", async (t) => {
  const { session, km, answers, tell } = open();
  tell("a");
  tell("b");
  t.is(session.room, limits.unanswered - 2);
  for (const byte of Buffer.concat([success(2), success(1)])) km.write(Buffer.of(byte));
  await eventually("answers", () => answers.length, { is: 2 });
  t.deepEqual(answers, [
    ["b", "success"],
    ["a", "success"],
  ]);
  t.is(session.room, limits.unanswered);
  await session.close();
  t.is(await session.ended, undefined);
});

test("ten seconds after the oldest that has no answer the connection is given up", async (t) => {
  const { session, km, clock, tell } = open();
  tell("a");
  await clock.advance(6_000);
  tell("b");
  km.write(success(1));
  await clock.advance(9_999);
  t.is(session.room, limits.unanswered - 1);
  await clock.advance(1);
  const why = (await session.ended) as Fault;
  t.is(why.code, "kq2.timeout");
  t.is(session.room, 0);
  tell("c");
  await session.close();
});

test("a connection that is closed waits for no answer", async (t) => {
  const { session, clock, tell } = open();
  tell();
  const closed = session.close();
  await clock.advance(500);
  await closed;
  t.is(await session.ended, undefined);
  t.is(clock.timers, 0);
});

test("whatever bytes a KM sends, the session goes on or ends with a typed error that quotes nothing", async (t) => {
  const draw = random(802);
  const good = success(1);
  let ended = 0;
  for (let round = 0; round < 400; round++) {
    const { session, km, answers, tell } = open();
    tell();
    const bytes = Buffer.from(good.subarray(0, draw() < 0.2 ? draw() * good.length : good.length));
    for (let flips = draw() * 4; flips >= 1 && bytes.length > 0; flips--) {
      bytes[Math.floor(draw() * bytes.length)] = draw() * 256;
    }
    km.write(bytes);
    km.end();
    const why = await session.ended;
    t.true(why instanceof Fault);
    t.regex((why as Fault).code, /^kq2\./);
    if ((why as Fault).code !== "kq2.closed") ended++;
    t.true(answers.length <= 1);
  }
  t.true(ended > 50, `${ended} rounds ended for what came`);
});
