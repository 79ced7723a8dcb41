/** What an image is made of, as far as that can be told without making one. */
import { execFileSync, spawnSync } from "node:child_process";
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import test from "ava";
import { boardNames, readBoard } from "../../../scripts/image.d/board.ts";
import { cpio } from "../../../scripts/image.d/cpio.ts";
import { flash } from "../../../scripts/image.d/flash.ts";
import { closure, type Kernel } from "../../../scripts/image.d/kernel.ts";
import { readLock } from "../../../scripts/image.d/packages.ts";
import { noTestService } from "../../../scripts/image.d/rootfs.ts";
import { firstDifference } from "../../../scripts/image.d/verify.ts";
import { find } from "../../find.ts";
import { testWith } from "../../needs.ts";

const boards = fileURLToPath(new URL("../../../board/", import.meta.url));

function temporary(t: import("ava").ExecutionContext): string {
  const folder = mkdtempSync(join(tmpdir(), "qkd-image-"));
  t.teardown(() => rmSync(folder, { recursive: true }));
  return folder;
}

for (const name of boardNames()) {
  test(`${name}: the lock is of the packages that the board asks for, and names no mirror`, (t) => {
    const board = readBoard(name);
    const { packages, date } = readLock(board);
    t.regex(date, /^\d{4}-\d\d-\d\d$/);
    t.true(packages.length > 50);
    for (const one of packages) {
      t.regex(one.sha256, /^[0-9a-f]{64}$/, one.name);
      t.regex(one.file, /^pool\//, one.name);
      t.true(one.size > 0 && ["debian", "debian-security"].includes(one.archive), one.name);
    }
    for (const name of ["systemd", "rauc", "busybox-static", "chrony"]) {
      t.true(
        packages.some((one) => one.name === name),
        name,
      );
    }
    t.notRegex(readFileSync(join(board.folder, "packages.lock"), "utf8"), /:\/\//);
  });

  test(`${name}: the disk has the partitions that everything else goes by`, (t) => {
    const text = readFileSync(join(boards, name, "genimage.cfg"), "utf8");
    const partitions = [...text.matchAll(/partition (\S+) \{/g)].map(([, one]) => one);
    const slots = ["system-a", "kernel-a", "system-b", "kernel-b"];
    // The Raspberry Pi's firmware starts partition 2 or 3.
    const order = {
      uefi: ["esp", ...slots],
      tryboot: ["select", "kernel-a", "kernel-b", "system-a", "system-b"],
      uboot: ["select", "uboot-env", ...slots],
    };
    t.deepEqual(partitions, [...order[readBoard(name).boot], "data"]);
    t.regex(text, /\n\t\talign = 4M\n/);
  });

  for (const overlay of readBoard(name).overlays) {
    testWith("dtc", `${name}: the device tree overlay ${overlay} compiles`, (t) => {
      const to = join(temporary(t), "overlay.dtbo");
      const from = join(boards, name, `${overlay}.dts`);
      execFileSync("dtc", ["-@", "-I", "dts", "-O", "dtb", "-o", to, from], { stdio: "pipe" });
      t.is(readFileSync(to).readUInt32BE(0), 0xd00dfeed);
    });
  }
}

test("scripts of the image are shell that parses", (t) => {
  const scripts = readdirSync(boards, { recursive: true, encoding: "utf8" })
    .map((path) => join(boards, path))
    .filter((path) => lstatSync(path).isFile() && /^#!.*sh\n/.test(readFileSync(path, "utf8")));
  t.true(scripts.length >= 7);
  for (const script of scripts) {
    t.notThrows(() => execFileSync("sh", ["-n", script], { stdio: "pipe" }), script);
    t.true((statSync(script).mode & 0o111) !== 0 || script.endsWith("/init"), script);
  }
});

test("links of the image are links: a file of their text says nothing to who follows them", (t) => {
  const all = readdirSync(boards, { recursive: true, encoding: "utf8" });
  const lost = all.filter((path) => {
    const file = join(boards, path);
    // Git that knows no links writes a file without an end of line.
    if (!lstatSync(file).isFile() || statSync(file).size > 200) return false;
    const text = readFileSync(file, "utf8");
    return text !== "" && !/[\s]/.test(text);
  });
  t.deepEqual(lost, []);
  // Its unit names /etc/qkd-km, and a site has one configuration.
  const km = join(boards, "common/rootfs_overlay/etc/qkd-km");
  t.is(readlinkSync(km), "qkd-node");
});

testWith("cpio", "the initramfs is an archive that others read", (t, program) => {
  const archive = cpio([
    { path: "init", mode: 0o100755, content: Buffer.from("#!/bin/sh\n") },
    { path: "lib/modules/list", mode: 0o100644, content: Buffer.from("a\nb\n") },
  ]);
  const list = execFileSync(program, ["-tv"], { input: archive, encoding: "utf8", stdio: "pipe" });
  t.regex(list, /-rwxr-xr-x .* 10 .* init\n/);
  t.regex(list, /drwxr-xr-x .* lib\/modules\n/);
  t.regex(list, /-rw-r--r-- .* 4 .* lib\/modules\/list\n/);
});

test("modules come after those they need, each once; one that the kernel lacks is told", (t) => {
  const kernel = {
    needs: new Map([
      ["kernel/a.ko", []],
      ["kernel/b-b.ko", ["kernel/a.ko"]],
      ["kernel/c.ko", ["kernel/b-b.ko", "kernel/a.ko"]],
      ["kernel/d.ko", []],
    ]),
    // genet says so of its MDIO bus, without which it has no cable.
    soft: new Map([["a", ["other-d", "absent"]]]),
    aliases: new Map([["other_d", "d"]]),
    builtin: new Set(["inside"]),
  } as unknown as Kernel;
  t.deepEqual(closure(kernel, ["c", "b_b", "inside"]), [
    "kernel/d.ko",
    "kernel/a.ko",
    "kernel/b-b.ko",
    "kernel/c.ko",
  ]);
  t.throws(() => closure(kernel, ["nowhere"]), { message: /no module nowhere/ });
});

test("of two files the first byte that differs is told, also where one of them ends", async (t) => {
  const folder = temporary(t);
  const file = (name: string, bytes: Buffer) => {
    writeFileSync(join(folder, name), bytes);
    return join(folder, name);
  };
  const long = Buffer.alloc(3 << 20, 7);
  const one = file("one", long);
  t.is(await firstDifference(one, file("same", long)), undefined);
  const at = (2 << 20) + 5;
  const other = Buffer.from(long);
  other[at] = 8;
  t.is(await firstDifference(one, file("other", other)), at);
  t.is(await firstDifference(one, file("short", long.subarray(0, at))), at);
  t.is(await firstDifference(file("shorter", long.subarray(0, 1 << 20)), one), 1 << 20);
  t.is(await firstDifference(file("none", Buffer.alloc(0)), one), 0);
});

testWith(
  "sfdisk",
  "a larger disk is used to its end; one in use or too small is refused",
  async (t, sfdisk) => {
    const image = temporary(t);
    const disk = join(image, "disk.img");
    writeFileSync(disk, "");
    truncateSync(disk, 16 << 20);
    const parts = ["esp", "system-a", "kernel-a", "system-b", "kernel-b"].map(
      (n) => `size=1MiB, name=${n}`,
    );
    const table = ["label: gpt", ...parts, "size=+, name=data", ""].join("\n");
    execFileSync(sfdisk, [disk], { input: table, stdio: "pipe" });
    const to = join(image, "target");
    writeFileSync(to, "");
    truncateSync(to, 64 << 20);
    await flash({ image, to, yes: false });
    const made = JSON.parse(
      execFileSync(sfdisk, ["--json", to], { encoding: "utf8" }),
    ).partitiontable;
    const data = made.partitions.at(-1);
    t.is(data.name, "data");
    t.true((data.start + data.size) * 512 > 62 << 20);
    const written = readFileSync(to).subarray(0, 1 << 20);
    truncateSync(to, 1 << 20);
    await t.throwsAsync(flash({ image, to, yes: true }), { message: /needs/ });

    // As it is released: compressed, and nothing else.
    const zstd = find("zstd");
    if (zstd === undefined) return t.log("without zstd: apt-get install zstd");
    execFileSync(zstd, ["-q", "--rm", disk], { stdio: "pipe" });
    await t.throwsAsync(flash({ image, to, yes: true }), { message: /needs/ });
    truncateSync(to, 64 << 20);
    await flash({ image: `${disk}.zst`, to, yes: false });
    t.deepEqual(readFileSync(to).subarray(4_096, 1 << 20), written.subarray(4_096));
  },
);

test("where there is a TPM, keys that it did not seal are refused", (t) => {
  const folder = temporary(t);
  const script = readFileSync(
    join(boards, "common/rootfs_overlay/usr/lib/qkd-image/tpm-key"),
    "utf8",
  );
  const store = join(folder, "node.key");
  const said = (device: string, names = ["node.key"]) => {
    const text = script
      .replace("/dev/tpmrm0", device)
      .replace("/etc/credstore.encrypted/", `${folder}/`);
    const { status, stdout } = spawnSync("sh", ["-c", text, "sh", ...names], { encoding: "utf8" });
    return [status, stdout];
  };
  const refused = [78, "node.key is not sealed to the TPM\n"];
  // Such as systemd-creds makes them: 16 bytes of kind, and what follows.
  const credential = (kind: string) =>
    writeFileSync(store, Buffer.from(`${kind}0000000000`, "hex").toString("base64"));
  t.deepEqual(said("/dev/null"), [0, ""], "there is no key yet");
  credential("0c7cc07b117645919c4b0bea08bc20fe");
  t.deepEqual(said("/dev/null"), [0, ""]);
  credential("5a1c6a86df9d4096b1d5a65e0862f19a");
  t.deepEqual(said("/dev/null"), refused, "by a secret on the disk");
  t.deepEqual(said("/dev/null", ["km.key", "node.key"]), refused, "each is looked at");
  t.deepEqual(said("/nowhere"), [0, ""], "there is no TPM");
  credential("058469daf6f54324800549da0f8ea2fb");
  t.deepEqual(said("/dev/null"), refused, "by nothing");
  writeFileSync(store, "\n");
  t.deepEqual(said("/dev/null"), refused);
});

test("the image of a real board has no service for tests, and cannot be built with one", (t) => {
  const root = temporary(t);
  for (const name of boardNames()) {
    const board = readBoard(name);
    const overlaid = board.fileOverlays.flatMap((folder) =>
      readdirSync(folder, { recursive: true, encoding: "utf8" }),
    );
    const services = overlaid.filter((path) => /test-port/.test(path));
    t.is(services.length > 0, board.emulator !== undefined, `${name}: ${services}`);
    t.notRegex(board.cmdline.join(" "), /qkd\.test/, name);
  }
  const [real, emulated] = [readBoard("raspberrypi/cm4"), readBoard("qemu/virt")];
  t.notThrows(() => noTestService(real, root, []));
  t.throws(() => noTestService(real, root, ["qkd.test"]), { message: /no emulated board/ });
  mkdirSync(join(root, "usr/lib/qkd-image"), { recursive: true });
  writeFileSync(join(root, "usr/lib/qkd-image/test-port"), "");
  t.throws(() => noTestService(real, root, []), { message: /no emulated board/ });
  t.notThrows(() => noTestService(emulated, root, ["qkd.test"]));
});

test("nobody but root may speak with RAUC: the package's own policy lets everybody", (t) => {
  const policy = "common/rootfs_overlay/usr/share/dbus-1/system.d/de.pengutronix.rauc.conf";
  const text = readFileSync(join(boards, policy), "utf8");
  t.deepEqual(
    [...text.matchAll(/<policy ([^>]*)>/g)].map(([, whom]) => whom),
    ['user="root"'],
  );
});

test("time servers that come by DHCP are chrony's until the site names its own", (t) => {
  const box = temporary(t);
  const file = (name: string) => join(box, name);
  const scripts = join(boards, "common/rootfs_overlay/usr/lib/qkd-image");
  const text = readFileSync(join(scripts, "time-servers"), "utf8")
    .replaceAll("/run/", `${box}/`)
    .replaceAll("/etc/qkd-node/", `${box}/`);
  for (const name of ["systemd/netif", "chrony", "chrony-dhcp", "bin"])
    mkdirSync(file(name), { recursive: true });
  writeFileSync(file("bin/chronyc"), `#!/bin/sh\necho "$*" >>${box}/did\n`, { mode: 0o755 });
  writeFileSync(file("did"), "");
  const told = (state: string) => {
    writeFileSync(file("systemd/netif/state"), state);
    const env = { PATH: `${box}/bin:${process.env.PATH}` };
    execFileSync("sh", ["-c", text], { env, stdio: "pipe" });
    const sources = file("chrony-dhcp/qkd.sources");
    return existsSync(sources) ? readFileSync(sources, "utf8") : "";
  };
  t.is(told("OPER_STATE=routable\n"), "");
  const two = "server 192.0.2.1 iburst\nserver time.example iburst\n";
  t.is(told("DNS=192.0.2.9\nNTP=192.0.2.1 time.example\n"), two);
  told("NTP=192.0.2.1 time.example\n");
  t.is(readFileSync(file("did"), "utf8"), "reload sources\n", "once, when something is new");
  t.is(told("NTP=2001:db8::1 $(id) -x a;b /etc/x\n"), "server 2001:db8::1 iburst\n");
  t.is(told("NTP=1.1.1.1 1.1.1.2 1.1.1.3 1.1.1.4 1.1.1.5\n").split("\n").length, 5);
  writeFileSync(file("chrony/site.sources"), "server 192.0.2.7\n");
  t.is(told("NTP=192.0.2.1\n"), "");
});
