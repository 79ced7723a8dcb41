import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, readdirSync, readlinkSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "ava";
import { SerialPort } from "serialport";
import { type Clock, systemClock } from "../../../src/base/clock.ts";
import { ManualClock } from "../../clock.ts";
import { EmulatedPort } from "../../emulator/port.ts";
import { Pty } from "../../emulator/pty.ts";
import { random } from "../../random.ts";

const mebibyte = 1_048_576;

/** Counts and hashes what arrives, and tells when it is all there. */
class Tally {
  readonly #hash = createHash("sha256");
  readonly #all = Promise.withResolvers<string>();
  readonly #wanted: number;
  bytes = 0;

  constructor(wanted: number) {
    this.#wanted = wanted;
  }

  /** SHA-256 over everything, once as many bytes as wanted are there. */
  get all(): Promise<string> {
    return this.#all.promise;
  }

  take(chunk: Uint8Array): void {
    this.#hash.update(chunk);
    this.bytes += chunk.length;
    if (this.bytes === this.#wanted) this.#all.resolve(this.#hash.digest("hex"));
    if (this.bytes > this.#wanted) this.#all.reject(new Error("more than was sent"));
  }
}

function sha256(bytes: Buffer): string {
  return createHash("sha256").update(bytes).digest("hex");
}

function noise(seed: number, length: number): Buffer {
  const draw = random(seed);
  const bytes = Buffer.alloc(length);
  for (let i = 0; i < length; i++) bytes[i] = Math.floor(draw() * 256);
  return bytes;
}

interface Device {
  readonly port: EmulatedPort;
  readonly folder: string;
  /** Takes what the other end wrote. */
  onBytes: (chunk: Buffer) => void;
  /** How often the port said that there is room. */
  drained: number;
  /** The other end, as a node opens it. */
  open(): Promise<SerialPort>;
}

async function withDevice(
  options: { readonly baud: number; readonly clock?: Clock },
  body: (device: Device) => Promise<void>,
): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "qkd-pty-"));
  const opened: SerialPort[] = [];
  const path = join(folder, "new", "module.tty");
  const port = new EmulatedPort(path, options.baud, options.clock ?? systemClock, {
    bytes: (chunk) => device.onBytes(chunk),
    drained: () => device.drained++,
  });
  const device: Device = {
    port,
    folder,
    onBytes: () => {},
    drained: 0,
    async open() {
      const serial = new SerialPort({ path, baudRate: 115_200, autoOpen: false });
      await new Promise<void>((resolve, reject) =>
        serial.open((error) => (error ? reject(error) : resolve())),
      );
      opened.push(serial);
      return serial;
    },
  };
  port.plug();
  try {
    await body(device);
  } finally {
    for (const serial of opened) if (serial.isOpen) serial.close();
    port.unplug();
    rmSync(folder, { recursive: true });
  }
}

test.serial("1 MiB of any bytes goes through unharmed, both ways at once", async (t) => {
  await withDevice({ baud: 0 }, async (device) => {
    const serial = await device.open();
    const down = noise(1, mebibyte);
    const up = noise(2, mebibyte);
    const atNode = new Tally(mebibyte);
    const atModule = new Tally(mebibyte);
    serial.on("data", (chunk: Buffer) => atNode.take(chunk));
    device.onBytes = (chunk) => atModule.take(chunk);
    device.port.send(Buffer.from(down));
    serial.write(Buffer.from(up));
    t.is(await atNode.all, sha256(down));
    t.is(await atModule.all, sha256(up));
    t.is(device.port.backlog, 0);
  });
});

test.serial("each byte value goes through by itself, unchanged and not echoed", async (t) => {
  await withDevice({ baud: 0 }, async (device) => {
    const serial = await device.open();
    const all = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
    const atModule = new Tally(all.length);
    const atNode = new Tally(all.length);
    device.onBytes = (chunk) => atModule.take(chunk);
    serial.on("data", (chunk: Buffer) => atNode.take(chunk));
    for (const byte of all) serial.write(Buffer.from([byte]));
    t.is(await atModule.all, sha256(all));
    t.is(atNode.bytes, 0);
    for (const byte of all) device.port.send(Buffer.from([byte]));
    t.is(await atNode.all, sha256(all));
    t.is(atModule.bytes, all.length);
  });
});

test.serial("unplugging closes whoever has it open, and plugging in works again", async (t) => {
  await withDevice({ baud: 0 }, async (device) => {
    const { port } = device;
    for (let round = 0; round < 3; round++) {
      t.true(port.plugged);
      t.regex(readlinkSync(port.path), /^\/dev\/pts\//);
      const serial = await device.open();
      const heard = new Tally(5);
      serial.on("data", (chunk: Buffer) => heard.take(chunk));
      port.send(Buffer.from("hello"));
      await heard.all;
      const closed = new Promise((resolve) => serial.once("close", resolve));
      serial.on("error", () => {});
      port.unplug();
      port.unplug();
      t.false(existsSync(port.path));
      // A read that hits the hang-up yields nothing for ever, without an error; a write fails.
      serial.write("anyone?");
      await closed;
      t.false(serial.isOpen);
      port.send(Buffer.from("lost"));
      t.is(port.backlog, 0);
      port.plug();
      port.plug();
    }
  });
});

test.serial("what waits when it is unplugged is gone when it is plugged in again", async (t) => {
  await withDevice({ baud: 9_600 }, async (device) => {
    device.port.send(Buffer.alloc(10_000, 0x55));
    t.true(device.port.backlog > 0);
    device.port.unplug();
    t.is(device.port.backlog, 0);
    device.port.plug();
    const serial = await device.open();
    const heard = new Tally(1);
    serial.on("data", (chunk: Buffer) => heard.take(chunk));
    device.port.send(Buffer.from("x"));
    t.is(await heard.all, sha256(Buffer.from("x")));
  });
});

test.serial("bytes leave at the baud rate, ten bits each", async (t) => {
  const clock = new ManualClock();
  await withDevice({ baud: 10_000, clock }, async (device) => {
    const { port } = device;
    t.is(port.lowWater, 256);
    port.send(Buffer.alloc(1_000));
    t.is(port.backlog, 1_000);
    for (const left of [900, 800, 700]) {
      await clock.advance(100);
      t.is(port.backlog, left);
    }
    t.is(device.drained, 0);
    await clock.advance(445);
    t.is(port.backlog, 255);
    t.is(device.drained, 1);
    await clock.advance(255);
    t.is(port.backlog, 0);
    const told = device.drained;
    await clock.advance(10_000);
    t.is(device.drained, told, "an idle port says nothing");
    t.is(clock.timers, 0);
  });
});

test.serial("reading is held back to the baud rate too", async (t) => {
  const clock = new ManualClock();
  await withDevice({ baud: 10_000, clock }, async (device) => {
    const serial = await device.open();
    const first = Promise.withResolvers<number>();
    let heard = 0;
    device.onBytes = (chunk) => {
      heard += chunk.length;
      first.resolve(heard);
    };
    serial.write(Buffer.alloc(100));
    await first.promise;
    t.is(clock.timers, 1, "it goes on reading once these bytes have had their time");
    await clock.advance(100);
    t.is(clock.timers, 0);
  });
});

test.serial("neither files nor descriptors are left behind", async (t) => {
  const descriptors = () => readdirSync("/proc/self/fd").length;
  const folder = mkdtempSync(join(tmpdir(), "qkd-pty-"));
  const path = join(folder, "module.tty");
  const port = new EmulatedPort(path, 0, systemClock, { bytes() {}, drained() {} });
  t.teardown(() => {
    port.unplug();
    rmSync(folder, { recursive: true });
  });
  port.plug();
  const plugged = descriptors();
  for (let round = 0; round < 20; round++) {
    port.unplug();
    t.deepEqual(readdirSync(folder), []);
    port.plug();
    t.deepEqual(readdirSync(folder), ["module.tty"]);
  }
  // Those of the tests before may have closed meanwhile.
  t.true(descriptors() <= plugged);
});

test.serial("a closed terminal takes nothing, and closes once", (t) => {
  const pty = new Pty(() => {});
  t.regex(pty.path, /^\/dev\/pts\/\d+$/);
  t.is(pty.write(Buffer.from("abc")), 3);
  pty.close();
  pty.close();
  pty.reading(true);
  t.is(pty.write(Buffer.from("abc")), 0);
});

test.serial("a terminal that nobody reads takes what fits and then nothing", (t) => {
  const pty = new Pty(() => {});
  const chunk = Buffer.alloc(65_536, 0x55);
  let taken = 0;
  for (let went = 1; went > 0; taken += went) went = pty.write(chunk);
  t.true(taken > 0 && taken < 10 * mebibyte);
  pty.close();
});
