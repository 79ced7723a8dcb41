/** The key switch's position as a file, and the maintenance console that lives by it, on a real terminal. */

import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, existsSync, mkdtempSync, openSync, rmSync, utimesSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "ava";
import { systemClock } from "../../src/base/clock.ts";
import { keyTurned } from "../../src/node/panel/key-file.ts";
import type { Attachment } from "../emulator/panel/attachment.ts";
import { EmulatedController } from "../emulator/panel/controller.ts";
import { attachSocket } from "../emulator/panel/socket.ts";
import { Pty } from "../emulator/pty.ts";
import { eventually } from "../eventually.ts";
import { program } from "../rig/cli.ts";
import { PanelProcess } from "../rig/panel-process.ts";
import { withUpdates } from "../rig/update-bench.ts";

interface Bench {
  readonly controller: EmulatedController;
  readonly attachment: Attachment;
  readonly panel: PanelProcess;
  readonly key: string;
  turned(): boolean;
  /** What the controller has sent so far, and what it was sent. */
  reports(): number;
  answers(): number;
}

/** A controller and the panel process; no node: the console is for when there is none, too. */
async function withKey(body: (bench: Bench) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "qkd-key-"));
  let attachment: Attachment | undefined;
  let [sent, received] = [0, 0];
  const controller = new EmulatedController({
    clock: systemClock,
    send: (report) => {
      sent++;
      attachment?.send(report);
    },
  });
  attachment = await attachSocket(join(folder, "controller.sock"), (report) => {
    received++;
    controller.receive(report);
  });
  const panel = new PanelProcess(attachment.where, join(folder, "nobody.sock"), folder);
  panel.start();
  const key = join(folder, "maintenance");
  try {
    await eventually("the panel runs", () =>
      panel.lines.some((line) => line.includes("controller")),
    );
    const turned = () => keyTurned(key, Date.now());
    const counts = { reports: () => sent, answers: () => received };
    await body({ controller, attachment, panel, key, turned, ...counts });
  } finally {
    panel.signal("SIGCONT");
    await panel.stop("SIGKILL");
    controller.close();
    await attachment.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

test.serial("the key's position is a file; tampering takes it away", async (t) => {
  await withKey(async ({ controller, key, turned, reports, answers }) => {
    t.false(existsSync(key));
    controller.key(true);
    await eventually("turned", turned);
    controller.key(false);
    await eventually("turned back", () => !existsSync(key));

    controller.key(true);
    await eventually("turned", turned);
    controller.contact(1, true);
    await eventually("a contact opens", () => !existsSync(key));
    controller.contact(1, false);
    // The panel process has heard of it, and answered.
    await eventually("reports", reports, { atLeast: reports() + 4 });
    await eventually("answers", answers, { atLeast: answers() + 4 });
    t.false(existsSync(key), "it stays latched");
    // Another one, which had nothing to see so far; then one that says it was blind.
    controller.replace();
    controller.key(true);
    await eventually("turned", turned);
    controller.memoryLost = true;
    controller.tell();
    await eventually("blind", () => !existsSync(key));
  });
});

test.serial(
  "an unplugged controller, a stopped and an ended panel process mean that there is no key",
  async (t) => {
    await withKey(async ({ controller, attachment, panel, key, turned }) => {
      controller.key(true);
      await eventually("turned", turned);
      await attachment.unplug();
      await eventually("unplugged", () => !existsSync(key));
      await attachment.plug();
      await eventually("plugged", turned);
      panel.signal("SIGSTOP");
      await eventually("it ages", () => !turned());
      t.true(existsSync(key), "nobody is there to remove it");
      panel.signal("SIGCONT");
      await eventually("renewed", turned);
      await panel.stop("SIGTERM");
      t.false(existsSync(key));
    });
  },
);

class Terminal {
  text = "";
  readonly #pty: Pty;
  readonly child: ChildProcess;
  readonly #exited: Promise<number | null>;
  /** What the journal has of it. */
  journal = "";

  constructor(key: string, env: NodeJS.ProcessEnv) {
    this.#pty = new Pty((bytes) => {
      this.text += bytes.toString("utf8");
    });
    const tty = openSync(this.#pty.path, "r+");
    this.child = spawn(program, ["console", "--key", key], {
      stdio: [tty, tty, "pipe"],
      env: { ...process.env, TERM: "vt220", NO_COLOR: "1", ...env },
    });
    closeSync(tty);
    this.child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.journal += text;
    });
    this.#exited = new Promise((resolve) => this.child.once("close", resolve));
  }

  type(line: string): void {
    this.#pty.write(Buffer.from(`${line}\r`));
  }

  async says(pattern: RegExp): Promise<void> {
    await eventually(String(pattern), () => pattern.test(this.text)).catch((error) => {
      throw new Error(`${error.message}\n${this.text}\n${this.journal}`);
    });
  }

  /** Its exit code. */
  async ended(): Promise<number | null> {
    const code = await this.#exited;
    this.#pty.close();
    return code;
  }
}

test.serial("without the key there is no console", async (t) => {
  await withKey(async ({ key, controller, turned }) => {
    const early = new Terminal(key, {});
    early.type("status");
    t.is(await early.ended(), 77);
    t.notRegex(early.text, /qkd>/);
    // A file that nobody renews is none.
    controller.key(true);
    await eventually("turned", turned);
    controller.key(false);
    await eventually("turned back", () => !existsSync(key));
    closeSync(openSync(key, "w"));
    utimesSync(key, 1, 1);
    const stale = new Terminal(key, {});
    t.is(await stale.ended(), 77);
    t.notRegex(stale.text, /qkd>/);
  });
});

test.serial(
  "with the key: what looks is answered, an update installed, all else refused; it ends with the key",
  async (t) => {
    await withUpdates(async (updates) => {
      await withKey(async ({ key, controller, turned }) => {
        await updates.run("slots", "started");
        controller.key(true);
        await eventually("turned", turned);
        const terminal = new Terminal(key, { QKD_NODE_SOCKET: updates.console });
        await terminal.says(/maintenance console\. What is typed is recorded\.[\s\S]*qkd> /);
        terminal.type("help");
        await terminal.says(/support-bundle[\s\S]*exit +end the session/);
        terminal.type("update status");
        await terminal.says(/a +running +1\.2\.0 +next start/);
        terminal.type("zeroize alice");
        await terminal.says(/no such command here: zeroize/);
        terminal.type("update install https://127.0.0.1:1/u.raucb");
        await terminal.says(/Type the node's ID to go on: /);
        terminal.type("node-a");
        await terminal.says(/update: failed: .*cannot fetch the bundle/);
        terminal.type("journal -n 1; sh");
        await terminal.says(/journal: -n N, --follow/);

        // What runs ends with the session.
        terminal.type("update install https://127.0.0.1:1/u.raucb");
        await eventually("asked again", () => terminal.text.split("Type the node's ID").length, {
          atLeast: 3,
        });
        controller.key(false);
        await terminal.says(/The session is over: the key was turned back\./);
        t.is(await terminal.ended(), 0);
        t.regex(terminal.journal, /session begins\n/);
        t.regex(terminal.journal, /command: "zeroize alice"\n/);
        t.regex(terminal.journal, /session ends: "the key was turned back"\n/);
        const told = updates.events.map(({ type, facts }) => [type, facts.on ?? facts.command]);
        t.deepEqual(told, [
          ["maintenance_session", true],
          ["command", "install_update"],
          ["update_refused", undefined],
          ["maintenance_session", false],
        ]);
      });
    });
  },
);

test.serial("who leaves is gone; who types without end is not kept", async (t) => {
  await withKey(async ({ key, controller, turned }) => {
    controller.key(true);
    await eventually("turned", turned);
    const terminal = new Terminal(key, { QKD_NODE_SOCKET: "/nowhere/control" });
    await terminal.says(/qkd> /);
    terminal.type("status");
    await terminal.says(/the node is not running/);
    terminal.type("x".repeat(3_000));
    await terminal.says(/no such command here: x+;/);
    // Two lines at once are two lines.
    terminal.type("help\rexit");
    await terminal.says(/support-bundle/);
    await terminal.says(/session is over: left/);
    t.is(await terminal.ended(), 0);
  });
});
