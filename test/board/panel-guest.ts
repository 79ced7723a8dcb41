/**
 * The chassis panel as a real HID device, where the kernel has /dev/uhid: makes the device, runs the
 * panel process on its hidraw node, and stands in for the node at the other end. One `ok` or `not ok`
 * a line; exit code 0 if all was.
 *
 * Runs from the sources, or in a guest as one file:
 * `esbuild test/board/panel-guest.ts --bundle --platform=node --outfile=panel-guest.cjs`, then
 * `node panel-guest.cjs /usr/lib/qkd-node/bin/qkd-panel`.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../../src/base/clock.ts";
import { silentLog } from "../../src/base/log.ts";
import { PanelServer } from "../../src/node/panel/server.ts";
import type { NodeMessage, PanelMessage } from "../../src/port/panel.ts";
import type { Attachment } from "../emulator/panel/attachment.ts";
import { EmulatedController } from "../emulator/panel/controller.ts";
import { attachUhid } from "../emulator/panel/uhid.ts";
import { quietNode } from "../rig/panel-messages.ts";

/** An emulated guest is some twenty times slower than a machine. */
const limitMs = 180_000;
const unpluggings = 20;

const hidraws = () => readdirSync("/dev").filter((name) => name.startsWith("hidraw"));

class Story {
  readonly heard: PanelMessage[] = [];
  readonly controller: EmulatedController;
  node: NodeMessage = quietNode;
  readonly server: PanelServer;
  attachment: Attachment | undefined;
  failed = false;

  constructor(folder: string) {
    this.controller = new EmulatedController({
      clock: systemClock,
      send: (report) => this.attachment?.send(report),
    });
    this.server = new PanelServer({
      path: join(folder, "panel.sock"),
      clock: systemClock,
      random: Math.random,
      log: silentLog,
      onMessage: (message) => this.heard.push(message),
      onGone: () => {},
      message: () => this.node,
    });
  }

  get last(): PanelMessage | undefined {
    return this.heard.at(-1);
  }

  get present(): boolean {
    return this.last !== undefined && this.last.lost === undefined;
  }

  tell(change: Partial<NodeMessage>): void {
    this.node = { ...this.node, ...change };
    this.server.notify();
  }

  async until(what: string, condition: () => boolean): Promise<void> {
    const end = performance.now() + limitMs;
    while (!condition() && performance.now() < end) {
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    const good = condition();
    this.failed ||= !good;
    process.stdout.write(`${good ? "ok" : "not ok"} ${what}\n`);
  }
}

async function tell(story: Story): Promise<void> {
  const { controller } = story;
  await story.until("the controller is heard", () => story.present);
  await story.until("it tells who it is", () => story.last?.serial === "EMU-PANEL-1");
  await story.until("its lamps show the node", () => controller.shows("supply", "green"));

  const times: number[] = [];
  for (let n = 0; n < 20; n++) {
    const at = performance.now();
    const open = n % 2 === 0;
    controller.contact(0, open);
    while ((story.last?.open.length === 1) !== open && performance.now() - at < limitMs) {
      await new Promise((resolve) => setImmediate(resolve));
    }
    times.push(performance.now() - at);
  }
  times.sort((a, b) => a - b);
  const [middle = 0, most = 0] = [times[10], times.at(-1)];
  process.stdout.write(
    `# contact to node: p50 ${middle.toFixed(1)} ms, max ${most.toFixed(1)} ms; the first of each two at once, the second 50 ms later at most\n`,
  );
  await story.until("a contact that opened is latched", () => story.last?.latched[0] === 0);
  story.tell({ tamper: "latched" });
  await story.until("the lamp shows it", () => controller.shows("tamper", "red"));
  story.tell({ tamper: "none", clear: true });
  await story.until("the latch is cleared", () => story.last?.latched.length === 0);
  story.tell({ clear: false });

  controller.press(true);
  await story.until("the button held asks to zeroize", () => story.last?.zeroize !== undefined);
  controller.press(false);
  story.tell({ zeroize: "done", taken: story.last?.zeroize });
  await story.until("until that is taken", () => story.last?.zeroize === undefined);

  // Of these the kernel drops what is no report of the descriptor, and what is too much.
  for (let n = 0; n < 200; n++) controller.sendRaw(Buffer.alloc(32, 1));
  for (let n = 0; n < 300; n++) controller.key(n % 2 === 0);
  await story.until("garbage is counted", () => (story.last?.malformed ?? 0) > 0);
  await story.until("a flood ends where it ended", () => story.last?.maintenance === false);
}

async function unplug(story: Story, panel: () => ChildProcess | undefined): Promise<void> {
  for (let n = 1; n <= unpluggings && !story.failed; n++) {
    await story.attachment?.unplug();
    await story.until(`unplugged ${n}`, () => !story.present);
    await story.attachment?.plug();
    await story.until(`plugged in ${n}`, () => story.present);
  }
  await story.until("the process lives", () => panel()?.exitCode === null);
  story.controller.silent = true;
  await story.until("silence is noticed", () => !story.present);
  story.controller.silent = false;
  await story.until("and that it is over", () => story.present);
}

async function main(program: string, device: string | undefined): Promise<number> {
  if (!existsSync("/dev/uhid")) {
    process.stdout.write("not ok there is no /dev/uhid\n");
    return 1;
  }
  const folder = mkdtempSync(join(tmpdir(), "qkd-guest-"));
  const story = new Story(folder);
  story.server.start();
  const before = hidraws();
  const added = () => hidraws().find((name) => !before.includes(name));
  story.attachment = await attachUhid({ serial: "EMU-PANEL-1" }, (report) =>
    story.controller.receive(report),
  );
  await story.until("the kernel made a hidraw device", () => added() !== undefined);
  const path = device ?? `/dev/${added()}`;
  await story.until(`${path} is there`, () => existsSync(path));
  const panel = spawn(program, ["--device", path, "--socket", join(folder, "panel.sock")], {
    stdio: ["ignore", "inherit", "inherit"],
  });
  const ended = new Promise((resolve) => panel.once("close", resolve));
  await tell(story);
  await unplug(story, () => panel);
  panel.kill("SIGTERM");
  const code = await ended;
  await story.until("the process ends in order", () => code === 0);
  story.controller.close();
  await story.attachment.close();
  await story.server.stop();
  rmSync(folder, { recursive: true, force: true });
  return story.failed ? 1 : 0;
}

// Timers of the clock keep no process alive.
setInterval(() => {}, 60_000);
const [program = "/usr/lib/qkd-node/bin/qkd-panel", device] = process.argv.slice(2);
// No `await` here: as one file it is CommonJS.
void main(program, device).then((code) => process.exit(code));
