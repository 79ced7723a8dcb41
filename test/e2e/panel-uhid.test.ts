import { execFile } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import test from "ava";

const guest = fileURLToPath(new URL("../board/panel-guest.ts", import.meta.url));
const panel = fileURLToPath(new URL("../../scripts/qkd-panel", import.meta.url));
const title = "the chassis panel as a real HID device: hidraw, node-hid, unplugged and plugged in";

function usable(): boolean {
  try {
    accessSync("/dev/uhid", constants.R_OK | constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

// Machines for CI have no such device in their kernel: the board's test runs this in its guest.
if (usable()) {
  test(title, async (t) => {
    t.timeout(120_000);
    const { stdout } = await promisify(execFile)(process.execPath, [guest, panel]);
    t.log(
      stdout
        .split("\n")
        .filter((line) => line.startsWith("#"))
        .join("\n"),
    );
    t.false(/^not ok/m.test(stdout), stdout);
    t.true(/^ok the process ends in order$/m.test(stdout));
  });
} else {
  test.skip(`${title} (skipped, because there is no /dev/uhid)`, () => {});
}
