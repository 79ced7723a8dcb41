/**
 * The Compute Module's recipe on the nearest relative that can be emulated: an SD card, USB by dwc2, modules that
 * follow from the device tree.
 */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import test from "ava";
import { builtFiles } from "../../scripts/image.d/build.ts";
import { lifeOf } from "./life.ts";
import { Machine } from "./machine.ts";
import { Site } from "./site.ts";

const image =
  process.env.QKD_IMAGE_PI ??
  fileURLToPath(new URL("../../dist/image/qemu/raspi3b", import.meta.url));
const keepAlive = setInterval(() => {}, 60_000);
let site: Site;
let board: Machine;

test.before(async () => {
  if (builtFiles(image) === undefined) {
    throw new Error("no image: scripts/image build --board qemu/raspi3b");
  }
  site = await Site.open();
  const folder = join(site.folder, "board");
  mkdirSync(folder);
  board = new Machine({
    image,
    emulator: "raspi3b",
    folder,
    start: "direct",
    cmdline: "qkd.test",
    modules: site.attached.filter(({ on }) => on === "usb"),
  });
});

test.after.always(async () => {
  await board?.cutPower();
  await site?.close();
  clearInterval(keepAlive);
});

const life = lifeOf(() => board);

life("a blank board finds its SD card and its USB, and says what image it has", async (t) => {
  site.distil(5_000, 8);
  await board.on();
  await board.reachable(1_800);
  t.is((await board.sh("cat /run/qkd-slot")).trim(), "a");
  t.regex(await board.sh("readlink -f /sys/class/block/mmcblk0"), /7e202000|3f202000/);
  t.regex(await board.sh("readlink -f /sys/bus/usb/devices/usb1"), /3f980000\.usb/);
  t.regex(board.console, /qkd: a development image/);
});
