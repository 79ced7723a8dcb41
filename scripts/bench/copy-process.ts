/** The baseline of the PCIe benchmark: writes the same bytes into a FIFO as fast as it takes them. */
import { randomBytes } from "node:crypto";
import { constants, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import koffi from "koffi";
import { errorCode } from "../../src/base/errors.ts";

const libc = koffi.load("libc.so.6");
const path = join(process.argv[2] ?? "", "copy");
libc.func("int mkfifo(const char *, unsigned int)")(path, 0o600);
const file = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
libc.func("int fcntl(int, int, int)")(file, 1031, 1_048_576);
const bytes = randomBytes(262_144);
process.send?.("ready");

function fill(): void {
  try {
    for (;;) writeSync(file, bytes);
  } catch (error) {
    if (errorCode(error) !== "EAGAIN") throw error;
  }
  setImmediate(fill);
}
fill();
