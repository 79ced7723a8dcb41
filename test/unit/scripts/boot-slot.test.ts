/** Which slot the machine starts: updates on trial, slots that turn bad, and what RAUC is told. */
import test, { type ExecutionContext } from "ava";
import { type Slot, SystemdBoot } from "../../rig/boot-bench.ts";

function machine(t: ExecutionContext): SystemdBoot {
  const bench = new SystemdBoot();
  t.teardown(() => bench.close());
  return bench;
}

/** Starts it until a slot that is not in `bad` runs, which is then good, as the script `health` says. */
function starts(bench: SystemdBoot, bad: readonly Slot[] = []): string {
  let order = "";
  for (let i = 0; i < 12; i++) {
    const slot = bench.start();
    order += slot;
    if (bad.includes(slot)) continue;
    bench.say("set-state", slot, "good");
    return order;
  }
  return order;
}

function update(bench: SystemdBoot, slot: Slot): void {
  bench.kernel(slot, `kernel ${slot}`);
  bench.say("set-primary", slot);
}

test("systemd-boot: an update has three tries, then the slot before is started again", (t) => {
  const bench = machine(t);
  t.is(starts(bench), "a");
  update(bench, "b");
  t.is(bench.say("get-primary"), "b");
  t.is(bench.say("on-trial", "b"), "yes");
  t.is(bench.say("on-trial", "a"), "no");
  t.is(starts(bench, ["b"]), "bbba");
  t.is(bench.say("get-state", "b"), "bad");
  t.is(bench.say("get-primary"), "a");
  t.is(starts(bench), "a");
});

test("systemd-boot: a slot that was good for months gives way when it turns bad", (t) => {
  const bench = machine(t);
  update(bench, "b");
  t.is(starts(bench), "b");
  t.is(bench.say("on-trial", "b"), "no");
  for (let i = 0; i < 8; i++) t.is(starts(bench), "b");
  t.is(starts(bench, ["b"]), "bbbbba");
  t.is(bench.say("get-primary"), "a");
  t.is(bench.say("get-state", "b"), "bad");
  // Mended by an update, it is first again.
  update(bench, "b");
  t.is(starts(bench), "b");
});

test("systemd-boot: starts that a power cut ended do not add up once one is good", (t) => {
  const bench = machine(t);
  update(bench, "b");
  t.is(starts(bench), "b");
  for (let i = 0; i < 6; i++) {
    t.is(bench.start(), "b");
    t.is(bench.start(), "b");
    t.is(starts(bench), "b");
  }
});

test("systemd-boot: with no good slot it goes on trying the newer one", (t) => {
  const bench = machine(t);
  update(bench, "b");
  t.is(starts(bench, ["a", "b"]), "bbbaaaaabbbb");
  t.is(bench.say("get-primary"), "b");
  t.is(starts(bench), "b");
  t.is(bench.say("get-state", "b"), "good");
});

test("systemd-boot: a kernel that is damaged in its partition is never chosen", (t) => {
  const bench = machine(t);
  bench.kernel("b", "kernel b");
  bench.say("set-primary", "b");
  bench.say("set-state", "b", "bad");
  t.deepEqual(bench.names, ["qkd-000001-a+5.efi"]);
  bench.kernel("b", "another");
  bench.damage("kernel-b", 4_100);
  const { status, stderr } = bench.try("set-primary", "b");
  t.is(status, 1);
  t.regex(stderr, /kernel in slot b is damaged/);
  t.is(starts(bench), "a");
});

/** A machine whose slot b has come with a newer boot loader. */
function withNewLoader(t: ExecutionContext): SystemdBoot {
  const bench = machine(t);
  bench.withLoader("loader 1");
  bench.kernel("b", "kernel b", "loader 2");
  bench.say("set-primary", "b");
  t.is(starts(bench), "b");
  return bench;
}

test("systemd-boot: a newer one is started once by the firmware, and stays if that start was good", (t) => {
  const bench = withNewLoader(t);
  // Once its slot is good, and not before: it is beside the old one, which is as it was.
  t.deepEqual(bench.loaders(), { "BOOTAA64.EFI": "loader 1", "TRIAL.EFI": "loader 2" });
  bench.restart();
  t.is(starts(bench), "b");
  t.deepEqual(bench.loaders(), { "BOOTAA64.EFI": "loader 2" });
  bench.restart();
  t.is(starts(bench), "b");
  t.is(bench.variable("BootNext"), undefined);
});

test("systemd-boot: a newer one that does not start is left, and not tried again", (t) => {
  const bench = withNewLoader(t);
  // Nothing has happened yet.
  bench.say("set-state", "b", "good");
  t.true("TRIAL.EFI" in bench.loaders());
  for (let i = 0; i < 3; i++) {
    bench.restart(false);
    t.is(starts(bench), "b");
    t.deepEqual(bench.loaders(), { "BOOTAA64.EFI": "loader 1", "FAILED.EFI": "loader 2" });
    t.is(bench.variable("BootNext"), undefined);
  }
});

test("systemd-boot: one that is damaged on the disk is not tried", (t) => {
  const bench = machine(t);
  bench.withLoader("loader 1");
  bench.kernel("b", "kernel b", "loader 2");
  bench.damage("kernel-b", 8_193);
  bench.say("set-primary", "b");
  t.is(starts(bench), "b");
  t.deepEqual(bench.loaders(), { "BOOTAA64.EFI": "loader 1" });
});

test("systemd-boot: the firmware is told of it as UEFI has it", (t) => {
  const bench = withNewLoader(t);
  t.deepEqual(bench.variable("BootNext"), Buffer.from([0xcd, 0x51]));
  const option = bench.variable("Boot51CD") ?? Buffer.alloc(0);
  t.is(option.readUInt32LE(0), 1);
  t.is(option.readUInt16LE(4), 90);
  t.is(option.toString("utf16le", 6, 14), "qkd\0");
  const path = option.subarray(14);
  t.is(path.length, 90);
  // A partition of a disk, by its number, place and GUID.
  t.deepEqual([...path.subarray(0, 4)], [4, 1, 42, 0]);
  t.is(path.readUInt32LE(4), 1);
  t.is(path.readBigUInt64LE(8), 8_192n);
  t.is(path.readBigUInt64LE(16), 393_216n);
  t.is(path.toString("hex", 24, 40), "00444b51030205048607080910111213");
  t.deepEqual([...path.subarray(40, 42)], [2, 2]);
  t.deepEqual([...path.subarray(42, 46)], [4, 4, 44, 0]);
  t.is(path.toString("utf16le", 46, 86), "\\EFI\\BOOT\\TRIAL.EFI\0");
  t.deepEqual([...path.subarray(86)], [0x7f, 0xff, 4, 0]);
});
