import {
  chownSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "ava";
import { Fault, type FaultCode } from "../../../../src/base/errors.ts";
import { silentLog } from "../../../../src/base/log.ts";
import { diskFiles } from "../../../../src/host/disk/files.ts";
import { openLedger } from "../../../../src/node/ledger/ledgers.ts";
import { openStateDirectory } from "../../../../src/node/state/state-directory.ts";
import { checkState, resetState } from "../../../../src/node/state/state-tool.ts";

async function withFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "qkd-home-"));
  try {
    await body(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** A node's start on the folder, and its end. @returns the boot counter */
async function live(folder: string): Promise<number> {
  const beside = [`${folder}/ledger-alice`];
  const home = await openStateDirectory(diskFiles, folder, beside);
  try {
    const recording = { files: diskFiles, folder, state: home.state, options: {} };
    await (await openLedger(recording, "alice", silentLog)).close();
    return home.state.data.boot;
  } finally {
    home.release();
  }
}

const code = (expected: FaultCode) => ({
  instanceOf: Fault,
  message: /./,
  code: expected,
});

test("a folder is one process's at a time, by whatever name", async (t) => {
  await withFolder(async (folder) => {
    const home = await openStateDirectory(diskFiles, folder, []);
    await t.throwsAsync(openStateDirectory(diskFiles, folder, []), code("state.locked"));
    symlinkSync(folder, `${folder}-link`);
    try {
      await t.throwsAsync(
        openStateDirectory(diskFiles, `${folder}-link`, []),
        code("state.locked"),
      );
    } finally {
      rmSync(`${folder}-link`);
    }
    t.is(home.state.data.boot, 1, "whoever was refused did not count a start");
    home.release();
    const again = await openStateDirectory(diskFiles, folder, []);
    t.is(again.state.data.boot, 2);
    again.release();
  });
});

test("a ledger that was there and is gone is not taken for a new one", async (t) => {
  await withFolder(async (folder) => {
    t.is(await live(folder), 1);
    t.is(await live(folder), 2);
    rmSync(join(folder, "ledger-alice"));
    await t.throwsAsync(live(folder), code("ledger.missing"));
  });
});

test("a state that is gone is not taken for a new one while its ledger is there", async (t) => {
  await withFolder(async (folder) => {
    await live(folder);
    await live(folder);
    for (const which of [0, 1]) rmSync(join(folder, `state.${which}`));
    await t.throwsAsync(live(folder), code("state.corrupt"));
    t.like(await checkState(diskFiles, folder), { good: false, problem: "there is none" });
    await resetState(diskFiles, folder, 41, ["alice"]);
    t.is(await live(folder), 42);
    await t.throwsAsync(resetState(diskFiles, folder, 1, []), { message: /good: it is not reset/ });
    rmSync(join(folder, "ledger-alice"));
    await t.throwsAsync(live(folder), code("ledger.missing"));
  });
});

test("a file that another user owns is not trusted", async (t) => {
  if (process.geteuid?.() !== 0) {
    t.log("skipped, because only root can give files away");
    return t.pass();
  }
  for (const name of ["state.0", "state.1", "ledger-alice"]) {
    await withFolder(async (folder) => {
      await live(folder);
      await live(folder);
      chownSync(join(folder, name), 12_345, 12_345);
      await t.throwsAsync(live(folder), code("state.owner"), name);
    });
  }
});

test("what a later version added to the state is kept", async (t) => {
  await withFolder(async (folder) => {
    await live(folder);
    const { state, release } = await openStateDirectory(diskFiles, folder, []);
    await state.change((data) => Object.assign(data, { of_a_later_version: { n: 1 } }));
    release();
    await live(folder);
    await live(folder);
    const texts = [0, 1].map((which) => readFileSync(join(folder, `state.${which}`), "utf8"));
    t.true(texts.every((text) => text.includes('"of_a_later_version":{"n":1}')));
  });
});

test("a state of a wrong shape is not taken", async (t) => {
  for (const text of ["null", "[]", "{}", '{"boot":-1}', '{"boot":"3"}', '{"boot":1,"alarms":7}']) {
    await withFolder(async (folder) => {
      const { createHash } = await import("node:crypto");
      const digest = createHash("sha256").update(text).digest("hex");
      for (const which of [0, 1]) {
        writeFileSync(join(folder, `state.${which}`), `qkd-node-state/1 1 ${digest}\n${text}\n`);
      }
      await t.throwsAsync(live(folder), code("state.corrupt"), text);
    });
  }
});

test("a generation that cannot be read is as a damaged one: the other counts, and what is in the way is set aside", async (t) => {
  for (const name of ["state.0", "state.1"]) {
    await withFolder(async (folder) => {
      t.is(await live(folder), 1);
      t.is(await live(folder), 2);
      rmSync(join(folder, name));
      mkdirSync(join(folder, name));
      const boot = await live(folder);
      t.true(boot >= 2, `${name}: ${boot}`);
      t.is(await live(folder), boot + 1);
      for (const both of ["state.0", "state.1"]) {
        rmSync(join(folder, both), { recursive: true, force: true });
        mkdirSync(join(folder, both));
      }
      await t.throwsAsync(live(folder), code("state.io"), name);
    });
  }
});
