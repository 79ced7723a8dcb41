/** The whole image, started by U-Boot: RAUC and the image's own scripts speak with U-Boot by its variables. */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import test from "ava";
import { builtFiles } from "../../scripts/image.d/build.ts";
import { lifeOf } from "./life.ts";
import { Machine } from "./machine.ts";

const image =
  process.env.QKD_IMAGE_UBOOT ??
  fileURLToPath(new URL("../../dist/image/qemu/uboot", import.meta.url));
const keepAlive = setInterval(() => {}, 60_000);
const folder = mkdtempSync(join(tmpdir(), "qkd-uboot-start-"));
let board: Machine;

test.before(() => {
  if (builtFiles(image) === undefined) {
    throw new Error("no image: scripts/image build --board qemu/uboot --append qkd.test");
  }
  mkdirSync(join(folder, "board"));
  board = new Machine({
    image,
    emulator: "uboot",
    folder: join(folder, "board"),
    start: "firmware",
  });
});

test.after.always(async () => {
  await board?.cutPower();
  rmSync(folder, { recursive: true, force: true });
  clearInterval(keepAlive);
});

lifeOf(() => board)(
  "a start is counted, good once it was looked at, and RAUC chooses the next",
  async (t) => {
    await board.on();
    await board.reachable(900);
    t.is((await board.sh("cat /run/qkd-slot")).trim(), "a");
    const variables = async () => (await board.run("fw_printenv")).output;
    await board.until(async () => /BOOT_a_LEFT=5/.test(await variables()), 900);
    t.regex(await board.sh("cat /run/qkd-update/slots"), /"running":\{"slot":"a"/);
    t.regex(await board.sh("rauc status", 300), /Booted from: system\.0 \(a\)/);
    await board.sh("rauc status mark-active other", 300);
    t.regex(await variables(), /BOOT_ORDER=b a\nBOOT_a_LEFT=5\nBOOT_b_LEFT=3/);
  },
);
