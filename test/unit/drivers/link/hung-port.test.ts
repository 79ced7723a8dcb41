/** A serial port that hangs in the kernel while it is opened, in a process of its own: its threads are few. */
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { testWith } from "../../../needs.ts";
import { HungDisk } from "../../../rig/hung-disk.ts";

const head = `
import { stat } from "node:fs/promises";
import { serialLink } from ${JSON.stringify(join(import.meta.dirname, "../../../../drivers/link/serial.ts"))};
import { ManualClock } from ${JSON.stringify(join(import.meta.dirname, "../../../clock.ts"))};
const clock = new ManualClock();
const said = [];
const open = (path) =>
  serialLink({ path, baud: 115200, rtscts: false }, clock)
    .open(() => {}, new AbortController().signal)
    .catch((error) => said.push(error.message));
`;

const thrice = `${head}
for (let n = 0; n < 3; n++) {
  const opened = open(process.argv[1]);
  await clock.advance(2000);
  await opened;
}
await stat(".");
console.log(JSON.stringify(said));
`;

const four = `${head}
const opened = [1, 2, 3, 4].map((n) => open(process.argv[1] + n));
await clock.advance(4000);
await Promise.all(opened);
await stat(".");
console.log(JSON.stringify(said.sort()));
`;

for (const [title, program, threads, said] of [
  [
    "a serial port that hangs takes one thread, and files are still read",
    thrice,
    "2",
    ["no answer from the driver", "it is still being opened", "it is still being opened"],
  ],
  [
    "as many serial ports that hang as there are threads leave some for files",
    four,
    "4",
    [
      ...["no answer from the driver", "no answer from the driver"],
      ...["others are still being opened", "others are still being opened"],
    ],
  ],
] as const) {
  testWith("gcc", title, async (t) => {
    const folder = mkdtempSync(join(tmpdir(), "qkd-hung-"));
    t.teardown(() => rmSync(folder, { recursive: true, force: true }));
    const device = new HungDisk(folder, "hung.tty");
    device.hang();
    const args = ["--input-type=module-typescript", "-e", program, join(folder, "hung.tty")];
    const child = spawn(process.execPath, args, {
      stdio: ["ignore", "pipe", "inherit"],
      env: { ...process.env, ...device.environment, UV_THREADPOOL_SIZE: threads },
    });
    // Nothing else ends it: a process waits for its threads.
    t.teardown(() => void child.kill("SIGKILL"));
    const [first] = await child.stdout.take(1).toArray();
    t.deepEqual(
      JSON.parse(String(first)),
      said.map((why) => `cannot open serial port: ${why}`),
    );
  });
}
