import type { Duplex } from "node:stream";
import test from "ava";
import { ms } from "../../../../src/base/duration.ts";
import type { Fault } from "../../../../src/base/errors.ts";
import { createLog } from "../../../../src/base/log.ts";
import { Kq1Session } from "../../../../src/node/io/session.ts";
import type { OnRequestKeys } from "../../../../src/node/keys/ports.ts";
import { KqDeframer } from "../../../../src/wire/kq1/frame.ts";
import { ManualClock, settle } from "../../../clock.ts";
import { frame } from "../../../emulator/km/raw-client.ts";
import { AskingDesk } from "../../../rig/asking-desk.ts";
import { createLine } from "../../../rig/duplex.ts";

const request = { code: 3 };

function open(desk: OnRequestKeys | undefined) {
  const { node, km } = createLine();
  const clock = new ManualClock();
  const lines: string[] = [];
  const session = new Kq1Session(
    node,
    {
      where: "km:1",
      moduleId: "QKD-A",
      matchingModuleId: "QKD-B",
      window: 64,
      answerTimeout: ms(5_000),
      ...(desk !== undefined && { desk }),
      kmNames: ["km"],
      clock,
      log: createLog((line) => lines.push(line), "info"),
    },
    { answered: () => {} },
  );
  return { session, node, km, clock, lines };
}

async function quiet(): Promise<void> {
  for (let i = 0; i < 20; i++) await settle();
}

/** Writes as long as the node takes it. @returns how many frames that were */
async function flood(km: Duplex, payload: string, most: number): Promise<number> {
  const burst = Buffer.concat(Array.from({ length: 1_000 }, (_, n) => frame(n, payload, request)));
  let written = 0;
  while (written < most && !km.destroyed) {
    km.write(burst);
    written += 1_000;
    await quiet();
    if (km.writableLength > 2 * burst.length) break;
  }
  return written;
}

const none: OnRequestKeys = {
  unitBits: 256,
  stored: 0,
  request: async () => ({ response: "no_keys_available", keys: [] }),
};

for (const [mode, desk] of [
  ["in proactive mode", undefined],
  ["upon request", none],
] as const) {
  test(`a KM that asks and reads nothing is not read from, and then given up, ${mode}`, async (t) => {
    const { session, node, km, clock, lines } = open(desk);
    let written = 0;
    while (!node.destroyed && written < 1_000_000) {
      written += await flood(km, "{}", 100_000);
      await clock.advance(1_000);
    }
    t.true(written < 200_000, `${written} requests were taken`);
    t.regex(((await session.ended) as Fault).message, /reads none of its answers/);
    t.true(lines.length <= 6, lines.join("\n"));
    await session.close();
    await clock.advance(60_000);
    t.is(clock.timers, 0);
  });
}

test("a KM that reads its refusals gets all of them, and no more than a thousand a second", async (t) => {
  const { session, km, clock, lines } = open(undefined);
  let answers = 0;
  const deframer = new KqDeframer(() => answers++);
  km.on("data", (chunk: Buffer) => deframer.push(chunk));
  for (let n = 0; n < 5; n++) {
    km.write(Buffer.concat(Array.from({ length: 1_100 }, (_, i) => frame(i, "{}", request))));
  }
  await quiet();
  t.true(answers < 5_500, String(answers));
  const first = answers;
  await clock.advance(999);
  t.is(answers, first);
  for (let s = 0; s < 6; s++) await clock.advance(1_000);
  await quiet();
  t.is(answers, 5_500);
  t.is(lines.length, 5);
  const closing = session.close();
  km.destroy();
  await closing;
});

test("a KM that catches up is read from again", async (t) => {
  const { session, km, clock } = open(none);
  await flood(km, "{}", 20_000);
  for (let s = 0; s < 8; s++) await clock.advance(1_000);
  let answers = 0;
  const deframer = new KqDeframer(() => answers++);
  km.on("data", (chunk: Buffer) => deframer.push(chunk));
  for (let s = 0; s < 30; s++) await clock.advance(1_000);
  await quiet();
  const before = answers;
  km.write(frame(1, "{}", request));
  await clock.advance(1_000);
  await quiet();
  t.is(answers, before + 1);
  const closing = session.close();
  km.destroy();
  await closing;
});

test("a frame that was begun before the KM was not read from is waited for anew", async (t) => {
  const { session, km, clock } = open(undefined);
  const many = Array.from({ length: 1_200 }, (_, i) => frame(i, "{}", request));
  const last = frame(9, "{}", request);
  km.resume();
  km.write(Buffer.concat([...many, last.subarray(0, 5)]));
  await quiet();
  await clock.advance(900);
  t.is(clock.timers, 2, "those of the pause and of the log, and none for the frame");
  await clock.advance(100);
  km.write(last.subarray(5));
  await quiet();
  await clock.advance(60_000);
  t.is(await Promise.race([session.ended, settle().then(() => "open")]), "open");
  const closing = session.close();
  km.destroy();
  await closing;
});

test("answers under way are bounded, whatever is asked for at once: the others are told to wait", async (t) => {
  const desk = new AskingDesk();
  const { session, km } = open(desk);
  const disk = Promise.withResolvers<void>();
  desk.before = () => disk.promise;
  const words: string[] = [];
  const deframer = new KqDeframer(({ payload }) => {
    words.push(/"response":"(\w+)"/.exec(payload.toString())?.[1] ?? "");
  });
  km.on("data", (chunk: Buffer) => deframer.push(chunk));
  const asked = JSON.stringify({ number: 1, size: 262_144 });
  km.write(Buffer.concat(Array.from({ length: 200 }, (_, i) => frame(i, asked, request))));
  await quiet();
  const taken = desk.asked.length;
  t.true(taken > 50 && taken * 43_000 < 4_300_000, String(taken));
  t.is(words.filter((word) => word === "busy").length, 200 - taken);
  disk.resolve();
  await quiet();
  t.is(words.filter((word) => word === "success").length, taken);
  km.write(frame(1, asked, request));
  await quiet();
  t.is(words.at(-1), "success");
  const closing = session.close();
  km.destroy();
  await closing;
});
