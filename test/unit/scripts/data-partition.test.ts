/** The counter in the TPM that tells an older copy of the data partition, against a TPM of a few lines behind a PTY. */
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import test, { type ExecutionContext } from "ava";
import { Pty } from "../../emulator/pty.ts";

const script = fileURLToPath(
  new URL("../../../board/common/rootfs_overlay/usr/lib/qkd-image/data", import.meta.url),
);
const handleUnknown = 0x18b;
const uninitialized = 0x14a;
const defined = 0x14c;
const retry = 0x922;
const size = 0x143;

/** Knows NV_Read, NV_Increment and NV_DefineSpace of one counter (TPM 2.0 part 3, clause 31). */
class SmallTpm {
  /** undefined: there is no such counter; 0: it has never counted. */
  counter: number | undefined;
  /** The highest that any counter ever had: a new one goes on from there. */
  highest = 0;
  /** How many commands are still answered by "try again". */
  busy = 0;
  asked = 0;
  readonly pty: Pty;

  constructor() {
    this.pty = new Pty((command) => void this.pty.write(this.#answer(command)));
  }

  #answer(command: Buffer): Buffer {
    this.asked += 1;
    if (command.readUInt32BE(2) !== command.length) return said(size);
    if (this.busy > 0) {
      this.busy -= 1;
      return said(retry);
    }
    const code = command.readUInt32BE(6);
    if (code === 0x12a) {
      const known = command.toString("hex", 31) === "01804b51000b0206001600000008";
      if (!known) return said(size);
      if (this.counter !== undefined) return said(defined);
      this.counter = 0;
      return said(0);
    }
    if (this.counter === undefined) return said(handleUnknown);
    if (code === 0x134) {
      this.highest += 1;
      this.counter = this.highest;
      return said(0);
    }
    if (this.counter === 0) return said(uninitialized);
    const value = Buffer.alloc(8);
    value.writeBigUInt64BE(BigInt(this.counter));
    return said(0, Buffer.concat([Buffer.from("0000000a0008", "hex"), value, Buffer.alloc(5)]));
  }
}

function said(code: number, rest: Buffer = Buffer.alloc(0)): Buffer {
  const head = Buffer.from("80020000000000000000", "hex");
  head.writeUInt32BE(head.length + rest.length, 2);
  head.writeUInt32BE(code, 6);
  return Buffer.concat([head, rest]);
}

function board(t: ExecutionContext) {
  const folder = mkdtempSync(join(tmpdir(), "qkd-data-"));
  const tpm = new SmallTpm();
  t.teardown(() => {
    tpm.pty.close();
    rmSync(folder, { recursive: true });
  });
  const file = join(folder, "starts");
  const run = async (...args: string[]) => {
    const env = { PATH: process.env.PATH, QKD_TPM: tpm.pty.path, QKD_WORK: join(folder, "work") };
    const child = spawn("sh", [script, ...args], { env, stdio: ["ignore", "pipe", "pipe"] });
    let text = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream.on("data", (chunk) => {
        text += chunk;
      });
    }
    const code = await new Promise((resolve) => child.once("close", resolve));
    return [code, text.trim()];
  };
  return {
    tpm,
    start: (kind: "new" | "old" = "old") => run("count", folder, kind),
    plain: () => run("plain"),
    /** What the disk says; set: a copy is brought back. */
    get disk() {
      return existsSync(file) ? Number(readFileSync(file, "utf8")) : undefined;
    },
    set disk(value: number | undefined) {
      if (value === undefined) rmSync(file);
      else writeFileSync(file, `${value}\n`);
    },
  };
}

test("each start is counted on the disk and in the TPM; an older copy is told", async (t) => {
  const one = board(t);
  t.deepEqual(await one.start("new"), [0, ""]);
  t.deepEqual([one.disk, one.tpm.counter], [1, 1]);
  one.tpm.busy = 2;
  t.deepEqual(await one.start(), [0, ""]);
  t.deepEqual([one.disk, one.tpm.counter], [2, 2]);
  one.disk = 1;
  const [code, text] = await one.start();
  t.is(code, 1);
  t.regex(String(text), /of start 1, and the TPM has counted 2: it is an older copy/);
  t.deepEqual([one.disk, one.tpm.counter], [1, 2], "nothing is written over");
  one.disk = 2;
  t.deepEqual(await one.start(), [0, ""]);
});

test("a power cut between the disk's count and the TPM's is no older copy", async (t) => {
  const one = board(t);
  await one.start("new");
  one.disk = 2;
  t.deepEqual(await one.start(), [0, ""]);
  t.deepEqual([one.disk, one.tpm.counter], [2, 2]);
  // Further ahead is another TPM's.
  one.disk = 4;
  t.is((await one.start())[0], 1);
  one.disk = undefined;
  t.regex(String((await one.start())[1]), /does not say which start/);
});

test("a partition that is made anew goes on with the TPM's count; one cut short before it counted, too", async (t) => {
  const one = board(t);
  one.tpm.counter = 0;
  one.tpm.highest = 40;
  t.deepEqual(await one.start("new"), [0, ""]);
  t.deepEqual([one.disk, one.tpm.counter], [41, 41]);
  t.deepEqual(await one.start("new"), [0, ""]);
  t.is(one.disk, 42);
});

test("without the counter that it was bound to, or unencrypted where there is one, a partition is refused", async (t) => {
  const one = board(t);
  t.deepEqual(await one.plain(), [0, ""], "made before there was a counter");
  one.disk = 7;
  t.regex(String((await one.start())[1]), /the TPM has no counter of starts/);
  await one.start("new");
  const [code, text] = await one.plain();
  t.is(code, 1);
  t.regex(String(text), /is not encrypted, and this machine's was/);
});
