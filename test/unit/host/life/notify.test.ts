import { execFileSync } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "ava";
import koffi from "koffi";
import { systemClock } from "../../../../src/base/clock.ts";
import { createLog, silentLog } from "../../../../src/base/log.ts";
import { systemdNotify } from "../../../../src/host/life/notify.ts";
import { eventually } from "../../../eventually.ts";
import { testWith } from "../../../needs.ts";

const libc = koffi.load("libc.so.6");
const socket = libc.func("int socket(int, int, int)");
const bind = libc.func("int bind(int, const uint8_t *, uint32_t)");
const recv = libc.func("intptr_t recv(int, _Out_ uint8_t *, size_t, int)");
const close = libc.func("int close(int)");

const [afUnix, sockDgram, msgDontwait] = [1, 2, 0x40];

/** A socket like systemd's own. */
class Manager {
  readonly path: string;
  readonly #fd: number;
  readonly #folder: string;
  readonly #messages: string[] = [];
  readonly #timer = setInterval(() => this.#take(), 2);

  constructor() {
    this.#folder = mkdtempSync(join(tmpdir(), "qkd-notify-"));
    this.path = join(this.#folder, "notify");
    this.#fd = socket(afUnix, sockDgram, 0);
    const address = Buffer.alloc(110);
    address.writeUInt16LE(afUnix);
    address.write(this.path, 2);
    if (bind(this.#fd, address, address.length) !== 0) throw new Error("cannot bind");
  }

  /** Senders wait until what they sent last has been taken: everything is taken at once. */
  #take(): void {
    const buffer = Buffer.alloc(4_096);
    for (;;) {
      const length = Number(recv(this.#fd, buffer, buffer.length, msgDontwait));
      if (length <= 0) return;
      const text = buffer.toString("utf8", 0, length);
      if (text !== "BARRIER=1") this.#messages.push(text);
    }
  }

  async message(): Promise<string> {
    return (await eventually("a message to systemd", () => this.#messages.shift())) as string;
  }

  close(): void {
    clearInterval(this.#timer);
    close(this.#fd);
    rmSync(this.#folder, { recursive: true });
  }
}

const keepAlive = setInterval(() => {}, 60_000);
test.after.always(() => clearInterval(keepAlive));

const parts = { clock: systemClock, log: silentLog };
const { PATH } = process.env;

testWith("systemd-notify", "systemd is told what happens, in order", async (t) => {
  const manager = new Manager();
  t.teardown(() => manager.close());
  const environment = { PATH, NOTIFY_SOCKET: manager.path, WATCHDOG_USEC: "30000000" };
  const notify = systemdNotify({ ...parts, environment });
  t.is(notify.watchdogMs, 30_000);
  notify.ready();
  notify.status("two\nlines");
  t.deepEqual((await manager.message()).split("\n"), ["READY=1", "STATUS=two lines"]);
  notify.watchdog();
  t.is(await manager.message(), "WATCHDOG=1");
  notify.stopping();
  t.is(await manager.message(), "STOPPING=1");
  await notify.told();
});

testWith("systemd-notify", "what comes while a message is under way goes as one", async (t) => {
  const manager = new Manager();
  t.teardown(() => manager.close());
  const notify = systemdNotify({ ...parts, environment: { PATH, NOTIFY_SOCKET: manager.path } });
  t.is(notify.watchdogMs, undefined);
  notify.ready();
  await Promise.resolve();
  await Promise.resolve();
  for (let i = 0; i < 1_000; i++) {
    notify.watchdog();
    notify.status(`${i}`);
  }
  t.is(await manager.message(), "READY=1");
  t.deepEqual((await manager.message()).split("\n"), ["WATCHDOG=1", "STATUS=999"]);
  await notify.told();
});

test("without systemd nothing is told, and nobody waits", async (t) => {
  const program = "/nonexistent/systemd-notify";
  const notify = systemdNotify({ ...parts, program, environment: {} });
  notify.ready();
  notify.stopping();
  await notify.told();
  t.is(notify.watchdogMs, undefined);
});

test("a watchdog of another process is not ours", (t) => {
  const environment = { NOTIFY_SOCKET: "/x", WATCHDOG_USEC: "1000000", WATCHDOG_PID: "1" };
  t.is(systemdNotify({ ...parts, environment }).watchdogMs, undefined);
});

test("a messenger that fails is complained of once, until it works again", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "qkd-notify-"));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const program = join(folder, "systemd-notify");
  const lines: string[] = [];
  const log = createLog((line) => lines.push(line), "info");
  const notify = systemdNotify({ ...parts, log, program, environment: { NOTIFY_SOCKET: "/x" } });
  const tell = async () => {
    notify.watchdog();
    await notify.told();
  };
  await tell();
  t.regex(lines.join("\n"), /systemd is not told.*ENOENT/);
  await tell();
  t.is(lines.length, 1);
  const write = (text: string) => {
    writeFileSync(program, text);
    chmodSync(program, 0o755);
  };
  write("#!/bin/sh\nexit 0\n");
  await tell();
  write("#!/bin/sh\nexit 3\n");
  await tell();
  t.is(lines.length, 2);
  t.regex(lines[1] ?? "", /systemd-notify failed \(code=3\)/);
});

test("the messenger gets nothing of the service's surroundings but the socket", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "qkd-notify-"));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const program = join(folder, "systemd-notify");
  writeFileSync(program, `#!/bin/sh\n/usr/bin/env >${folder}/env\n`);
  chmodSync(program, 0o755);
  const environment = { PATH, NOTIFY_SOCKET: "/x", CREDENTIALS_DIRECTORY: "/secret" };
  const notify = systemdNotify({ ...parts, program, environment });
  notify.ready();
  await notify.told();
  const seen = execFileSync("cat", [join(folder, "env")], { encoding: "utf8" });
  t.true(seen.includes("NOTIFY_SOCKET=/x"));
  t.false(seen.includes("secret"));
});
