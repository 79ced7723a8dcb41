/** `scripts/panel-emulator`: a chassis controller for a bench or a test guest. */
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { guardOutput, outputHeard } from "../../../scripts/tool.ts";
import { systemClock } from "../../../src/base/clock.ts";
import { errorCode } from "../../../src/base/errors.ts";
import type { Attachment } from "./attachment.ts";
import { EmulatedController } from "./controller.ts";
import { attachSocket } from "./socket.ts";
import { attachUhid } from "./uhid.ts";
import { help, obey } from "./words.ts";

const usage = `Usage: scripts/panel-emulator --uhid [--usb VENDOR:PRODUCT] [options]
       scripts/panel-emulator --socket PATH [options]

A chassis controller: with --uhid a real HID device, made through the kernel's
/dev/uhid, else one on a Unix socket for \`qkd-panel --device unix:PATH\`. Reads
words from standard input, and prints each change of its lamps as a line of
JSON. Ends upon SIGTERM or SIGINT, not when input ends.

  --usb V:P          hexadecimal (default 1209:0001, which pid.codes keeps for
                     tests)
  --serial TEXT      at most 16 characters (default EMU-PANEL-1)
  --contacts N       tamper contacts that there are (default 4)
  --latched N        contact N had opened before: a bit mask
  --help             print this

Words:
${help}

Exit codes: 0 ok, 64 wrong command line, 69 there is no /dev/uhid, or it may not
be used, 74 the output cannot be written.
`;

function fail(message: string, code: number): never {
  process.stderr.write(`panel-emulator: ${message}\n`);
  process.exit(code);
}

function read() {
  const text = { type: "string" } as const;
  try {
    const { values } = parseArgs({
      options: {
        uhid: { type: "boolean", default: false },
        socket: text,
        usb: { ...text, default: "1209:0001" },
        serial: { ...text, default: "EMU-PANEL-1" },
        contacts: { ...text, default: "4" },
        latched: { ...text, default: "0" },
        help: { type: "boolean", short: "h", default: false },
      },
    });
    return values;
  } catch (error) {
    return fail(`${(error as Error).message.split(". ")[0]}`, 64);
  }
}

function print(line: object): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

const values = read();
if (values.help) {
  guardOutput("panel-emulator");
  process.stdout.write(usage);
  await outputHeard();
  process.exit(0);
}
const usb = /^([0-9a-f]{4}):([0-9a-f]{4})$/i.exec(values.usb);
const contacts = Number(values.contacts);
const latched = Number(values.latched);
if (values.uhid === (values.socket !== undefined)) fail("either --uhid or --socket PATH", 64);
if (usb === null) fail("--usb: expected VENDOR:PRODUCT in hexadecimal", 64);
if (!/^[\x21-\x7e]{1,16}$/.test(values.serial)) fail("--serial: expected 1 to 16 characters", 64);
if (!(contacts >= 1 && contacts <= 8)) fail("--contacts: expected 1 to 8", 64);
if (!(latched >= 0 && latched <= 255)) fail("--latched: expected 0 to 255", 64);

// Timers of the clock keep no process alive.
setInterval(() => {}, 60_000);
process.stdout.on("error", () => {});

let attachment: Attachment | undefined;
const panel = new EmulatedController({
  clock: systemClock,
  contacts,
  serial: values.serial,
  send: (report) => attachment?.send(report),
  onLights: (lights) => print({ t: Math.round(systemClock.wall()), lights }),
});
for (let n = 0; n < 8; n++) {
  if ((latched & (1 << n)) === 0) continue;
  panel.contact(n, true);
  panel.contact(n, false);
}
const onReport = (report: Buffer) => panel.receive(report);
try {
  attachment =
    values.socket !== undefined
      ? await attachSocket(values.socket, onReport)
      : await attachUhid(
          {
            vendor: Number.parseInt(usb?.[1] ?? "", 16),
            product: Number.parseInt(usb?.[2] ?? "", 16),
            serial: values.serial,
            onOpen: (open) => print({ t: Math.round(systemClock.wall()), open }),
          },
          onReport,
        );
} catch (error) {
  const code = errorCode(error) ?? "unknown";
  const where = values.socket ?? "/dev/uhid";
  fail(code === "ENOENT" ? `there is no ${where}` : `cannot use ${where}: ${code}`, 69);
}
print({ t: Math.round(systemClock.wall()), ready: true, device: attachment.where });

createInterface({ input: process.stdin }).on("line", (line) => {
  if (line.trim() === "" || attachment === undefined) return;
  obey(line, panel, attachment).then(
    (answer) => answer !== undefined && print(answer),
    (error: Error) => process.stderr.write(`panel-emulator: ${error.message}\n`),
  );
});
const stop = async () => {
  panel.close();
  await attachment?.close();
  process.exit(0);
};
process.once("SIGTERM", () => void stop());
process.once("SIGINT", () => void stop());
