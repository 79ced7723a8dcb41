import test from "ava";
import { systemClock } from "../../../../src/base/clock.ts";
import { ms } from "../../../../src/base/duration.ts";
import { silentLog } from "../../../../src/base/log.ts";
import { openKmLink } from "../../../../src/node/io/link.ts";
import { Kq1Session } from "../../../../src/node/io/session.ts";
import type { OnRequestKeys } from "../../../../src/node/keys/ports.ts";
import { Heard } from "../../../../src/wire/kq1/heard.ts";
import { ManualClock, settle } from "../../../clock.ts";
import { createAuthority } from "../../../emulator/certificates.ts";
import { KeyManager } from "../../../emulator/km/index.ts";
import { frame } from "../../../emulator/km/raw-client.ts";
import { AskingDesk } from "../../../rig/asking-desk.ts";
import { durable, withBench } from "../../../rig/custody-bench.ts";
import { offer, onRequest } from "../../../rig/desk-bench.ts";
import { createLine } from "../../../rig/duplex.ts";

const options = {
  where: "km:1",
  moduleId: "QKD-A",
  matchingModuleId: "QKD-B",
  window: 64,
  answerTimeout: ms(5_000),
  log: silentLog,
};

function open() {
  const { node, km } = createLine();
  const desk = new AskingDesk();
  const sink = { answered: () => {} };
  const session = new Kq1Session(
    node,
    { ...options, kmNames: ["main", "km"], desk, clock: new ManualClock() },
    sink,
  );
  const ask = (messageId: number, asked: object = {}) =>
    km.write(frame(messageId, JSON.stringify(asked), { code: 3 }));
  return { session, desk, km, ask };
}

async function quiet(): Promise<void> {
  for (let i = 0; i < 20; i++) await settle();
}

/** A message as long as there is any. */
const long = { number: 1, size: 262_144 };

test("an answer is sent when the socket has taken it, and torn or unsent when it ends before", async (t) => {
  const { session, desk, km, ask } = open();
  for (let n = 1; n <= 5; n++) {
    ask(n, long);
    await quiet();
  }
  t.deepEqual(desk.ended, ["1 sent"], "the line holds one for a KM that does not read");
  km.destroy();
  await session.ended;
  await quiet();
  // Two were with the socket then; the others it was never given.
  const how = ["1 sent", "2 torn", "3 torn", "4 unsent", "5 unsent"];
  t.deepEqual(desk.ended.toSorted(), how);

  const reader = open();
  reader.km.resume();
  for (let n = 1; n <= 4; n++) reader.ask(n, long);
  await quiet();
  t.deepEqual(
    reader.desk.ended,
    [1, 2, 3, 4].map((n) => `${n} sent`),
  );
  reader.km.destroy();
  await reader.session.ended;
});

test("a connection that ended, or is halted, before the answer came has it unsent", async (t) => {
  for (const end of ["destroy", "end", "halt", "close"] as const) {
    const { session, desk, km, ask } = open();
    const disk = Promise.withResolvers<void>();
    desk.before = () => disk.promise;
    km.resume();
    ask(1);
    await quiet();
    if (end === "destroy" || end === "end") km[end]();
    if (end === "close") void session.close();
    await quiet();
    disk.resolve();
    if (end === "halt") {
      // The answer was put into a message, and this is before it is written.
      await disk.promise;
      while (desk.ended.length === 0) {
        session.halt();
        await null;
      }
    }
    await quiet();
    t.deepEqual(desk.ended, ["1 unsent"], end);
    km.destroy();
    await session.ended;
  }
});

test("a connection that is closed in order still sends what was begun", async (t) => {
  const { session, desk, km, ask } = open();
  ask(1, long);
  await quiet();
  const closed = session.close();
  km.resume();
  await quiet();
  t.deepEqual(desk.ended, ["1 sent"]);
  km.destroy();
  await closed;
});

test("a request may have a name; one that is too short is refused, and the connection goes on", async (t) => {
  const { session, desk, km, ask } = open();
  let read = "";
  km.on("data", (chunk: Buffer) => {
    read += chunk.toString("latin1");
  });
  ask(1, { extension: [{ request_ID: "0123456789abcde" }] });
  await quiet();
  t.regex(read, /invalid_message/);
  t.deepEqual(desk.asked, []);
  ask(1, { extension: [{ request_ID: "0123456789abcdef" }] });
  ask(1);
  await quiet();
  const [one, two] = desk.asked;
  t.deepEqual([one?.token, two?.token], ["0123456789abcdef", undefined]);
  t.is(one?.claimant.slice(0, 12), two?.claimant.slice(0, 12) as string);
  t.not(one?.claimant, two?.claimant as string);
  km.destroy();
  await session.ended;
});

test("two KMs whose certificates have one name never share keys; each can repeat its own", async (t) => {
  const ca = await createAuthority("sendings CA");
  const client = await ca.issue({ commonName: "node", dns: ["node"], usage: "client" });
  const server = () => ca.issue({ commonName: "km", dns: ["km.example"], usage: "server" });
  const identities = [await server(), await server()];
  const kms = identities.map((one) => new KeyManager({ security: { ...one, ca: ca.cert } }));
  const signal = new AbortController().signal;
  await withBench(onRequest, async (bench) => {
    bench.module.connect(bench.custody);
    offer(bench, 4_096);
    await durable(bench);
    const connect = async (km: KeyManager, name: string) => {
      const endpoint = {
        host: "127.0.0.1",
        port: km.port === 0 ? await km.listen() : km.port,
        serverName: "km.example",
        tls: { ...client, ca: ca.cert },
        connectTimeout: ms(5_000),
      };
      const desk = bench.custody.desk as OnRequestKeys;
      const more = { name, endpoint, https: undefined, heard: new Heard(), desk };
      return openKmLink({ ...options, ...more, clock: systemClock }, bench.custody, signal);
    };
    const token = "0123456789abcdef";
    const ask = async (name: (i: number) => string) => {
      const links = await Promise.all(kms.map((km, i) => connect(km, name(i))));
      const ids = await Promise.all(kms.map(async (km) => (await km.request({}, token)).ids[0]));
      await Promise.all(links.map((link) => link.close()));
      return ids;
    };
    const first = await ask((i) => `km-${i}`);
    t.is(new Set(first).size, 2);
    t.deepEqual(await ask((i) => `km-${i}`), first, "over another connection");
    const alike = await ask(() => "km");
    t.is(new Set([...first, ...alike]).size, 4, "their certificates tell them apart");
  });
  for (const km of kms) await km.close();
});
