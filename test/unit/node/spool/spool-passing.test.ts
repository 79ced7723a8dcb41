/** A spooled block that cannot be read just now is not damaged. */
import test from "ava";
import { describe } from "../../../../src/base/errors.ts";
import { silentLog } from "../../../../src/base/log.ts";
import { Spool } from "../../../../src/node/spool/spool.ts";
import { spooled } from "../../../../src/node/spool/spooled.ts";
import { KeyBlock } from "../../../../src/port/key.ts";
import type { ModuleDriver, ModuleSession, ModuleSink } from "../../../../src/port/module.ts";
import { eventually } from "../../../eventually.ts";
import { Disk, systemError } from "../../../faults/disk.ts";
import { someIdentity } from "../../../rig/identity.ts";

const { moduleId } = someIdentity;

/** A module that has nothing but what is in the spool, on a port that one session has at a time. */
function emptyModule(): ModuleDriver {
  let taken = false;
  return {
    kind: "test",
    where: "nowhere",
    async connect(): Promise<ModuleSession> {
      if (taken) throw new Error("the port is in use");
      taken = true;
      const ended = Promise.withResolvers<undefined>();
      const session = {
        identity: someIdentity,
        ended: ended.promise,
        grant() {},
        release() {},
        discard() {},
        read() {},
        async command() {},
        quality: () => ({}),
        async close() {
          taken = false;
          ended.resolve(undefined);
        },
      };
      return session as unknown as ModuleSession;
    },
  };
}

/** @param code with which the file of the second of three blocks cannot be opened so many times */
async function begin(code: string, failures = 1) {
  const disk = new Disk();
  const options = { files: disk, folder: "/spool", key: Buffer.alloc(32, 9), maxBytes: 1_000_000 };
  const before = await Spool.open(options);
  for (const number of [1, 2, 3]) {
    const facts = { ref: { epoch: "00112233aabbccdd", number }, bits: 256 };
    await before.store(new KeyBlock(facts, Buffer.alloc(32, number)), moduleId);
  }
  const open = disk.open.bind(disk);
  let left = failures;
  disk.open = async (path, flags) => {
    if (left === 0 || !path.endsWith("-2")) return open(path, flags);
    left--;
    throw systemError(code);
  };
  // What cannot be looked at when the spool is opened is of that one block as well.
  const spool = failures > 1 ? await Spool.open(options) : before;
  const seen: string[] = [];
  const sink: ModuleSink = {
    block: ({ ref }) => void seen.push(`block ${ref.number}`),
    damaged: ({ ref }) => void seen.push(`damaged ${ref.number}`),
    released: () => {},
    telemetry: () => {},
    absent: () => {},
    event: ({ code: what }) => void seen.push(what),
  };
  const driver = spooled(emptyModule(), async () => spool, silentLog);
  const connect = async () => {
    const session = await driver.connect(sink, new AbortController().signal);
    session.grant(10, 10_000);
    return session;
  };
  return { connect, seen };
}

for (const code of ["EMFILE", "ENOMEM", "EACCES"]) {
  test(`${code} ends the session, and the next one has the block`, async (t) => {
    const { connect, seen } = await begin(code);
    const first = await connect();
    const error = await first.ended;
    const file = "/spool/000000000002-00112233aabbccdd-2";
    t.like(error, { code: "state.io", facts: { file, code } });
    if (code === "EACCES") t.regex(error?.message ?? "", /give it back to the node's user/);
    t.deepEqual(seen, ["block 1"]);
    const next = await connect();
    await eventually("all blocks", () => seen.length, { is: 4 });
    await next.close();
    t.deepEqual(seen.slice(1), ["block 1", "block 2", "block 3"]);
  });
}

for (const [failures, when] of [
  [1, "while the spool is open"],
  [2, "already when the spool is opened"],
] as const) {
  test(`a bad sector that is found ${when} is damage, and holds up no other block`, async (t) => {
    const { connect, seen } = await begin("EIO", failures);
    const session = await connect();
    await eventually("all blocks", () => seen.length, { is: 3 });
    await session.close();
    t.deepEqual(seen, ["block 1", "damaged 2", "block 3"]);
  });
}

test("a file that may not be read when the spool is opened is named as one that is read", async (t) => {
  const { connect, seen } = await begin("EACCES", 2);
  const error = await (await connect()).ended;
  t.regex(String(error && describe(error)), /file=.*-2, code=EACCES|file: .*-2/);
  const next = await connect();
  await eventually("all blocks", () => seen.length, { is: 4 });
  await next.close();
});
