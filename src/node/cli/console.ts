/**
 * `qkd-node console`: the maintenance console of an appliance, on its serial port. systemd starts it when the
 * panel's key switch is turned to maintenance; it ends when the key is turned back, when a contact opens, and
 * when the key's position is not reported any more. It is no shell: see console-rules.ts for what it takes.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { createInterface, type Interface } from "node:readline";
import { exit } from "../../base/exit-codes.ts";
import { softwareVersion } from "../../base/version.ts";
import {
  catchSignals,
  consoleSignals,
  isStopRequested,
  stopRequested,
} from "../../host/life/signals.ts";
import { UsageError } from "../../host/terminal/program.ts";
import { facts } from "../../host/terminal/table.ts";
import { tidy } from "../../host/terminal/terminal.ts";
import { readImage } from "../../ops/update/image.ts";
import { keyTurned } from "../panel/key-file.ts";
import { names, type Typed, understand } from "./console-rules.ts";
import type { Context } from "./context.ts";

/** How often it is looked whether the key is turned, ms. */
const lookMs = 250;
/** A program that was told to end has this long, ms. */
const graceMs = 1_000;
const longestLine = 2_200;
const mostLines = 32;
const prompt = "qkd> ";

export async function run(context: Context): Promise<number> {
  const key = context.text("key");
  if (key === undefined) throw new UsageError("console --key FILE");
  if (await isStopRequested()) return exit.ok;
  if (!keyTurned(key, Date.now())) {
    context.terminal.complain("qkd-node: the key switch is not at maintenance");
    return exit.noPermission;
  }
  await new Session(context, key).run();
  return exit.ok;
}

class Session {
  readonly #context: Context;
  readonly #key: string;
  /** Lines that are to be obeyed. */
  readonly #typed: string[] = [];
  readonly #lines: Interface;
  #wake: () => void = () => {};
  #child: ChildProcess | undefined;
  #over: string | undefined;

  constructor(context: Context, key: string) {
    this.#context = context;
    this.#key = key;
    this.#lines = this.#open();
  }

  async run(): Promise<void> {
    const { terminal } = this.#context;
    this.#audit("session begins");
    void this.#tell(true);
    const watch = setInterval(() => this.#look(), lookMs);
    catchSignals(consoleSignals);
    void stopRequested().then(() => this.#end("told to stop"));
    const bench = readImage()?.development ? ", development image" : "";
    const what = `qkd-node ${softwareVersion}${bench}`;
    terminal.say(`\n${what}: maintenance console. What is typed is recorded.`);
    terminal.say("Turning the key back ends the session. Commands: help\n");
    while (this.#over === undefined) {
      const line = await this.#ask();
      this.#look();
      if (this.#over !== undefined) break;
      if (line !== undefined) await this.#obey(line);
    }
    clearInterval(watch);
    this.#lines.close();
    terminal.say(`\nThe session is over: ${this.#over}.`);
    this.#audit("session ends", this.#over);
    const late = new Promise((resolve) => setTimeout(resolve, graceMs));
    await Promise.race([this.#tell(false), late]);
  }

  #look(): void {
    if (!keyTurned(this.#key, Date.now())) this.#end("the key was turned back");
    // Longer than any command.
    if (this.#lines.line.length > longestLine) erase(this.#lines);
  }

  #end(why: string): void {
    if (this.#over !== undefined) return;
    this.#over = why;
    this.#wake();
    const child = this.#child;
    child?.kill("SIGTERM");
    setTimeout(() => child?.kill("SIGKILL"), graceMs);
  }

  #open(): Interface {
    const lines = createInterface({
      input: process.stdin,
      output: process.stdout,
      historySize: 50,
      prompt,
      completer: (text: string) => {
        const known = names.map(([name]) => `${name} `).filter((name) => name.startsWith(text));
        return [known, text];
      },
    });
    lines.on("line", (line) => {
      // Lines may come together: each has its turn.
      if (this.#typed.length < mostLines) this.#typed.push(line.slice(0, longestLine));
      this.#wake();
    });
    lines.on("close", () => this.#end("left"));
    lines.on("SIGINT", () => {
      process.stdout.write("\n");
      erase(lines);
      lines.prompt();
    });
    return lines;
  }

  /** @returns undefined if there will be no more */
  async #ask(): Promise<string | undefined> {
    if (this.#typed.length === 0 && this.#over === undefined) {
      this.#lines.prompt();
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return this.#typed.shift();
  }

  async #obey(line: string): Promise<void> {
    const { terminal } = this.#context;
    const understood = understand(line);
    if (understood === "nothing") return;
    this.#audit("command", line.slice(0, 256));
    if (understood === "exit") return this.#end("left");
    if (understood === "help") {
      for (const one of facts(names, terminal.width, 2)) terminal.say(one);
    } else if ("problem" in understood) {
      terminal.say(tidy(understood.problem));
    } else {
      await this.#start(understood.run);
    }
  }

  #start({ program, args, asks }: Typed): Promise<void> {
    const { terminal, where } = this.#context;
    const bundle = args[0] === "support-bundle" ? this.#bundle() : undefined;
    const words = bundle === undefined ? [...args] : [...args, bundle];
    const own = [...process.execArgv, process.argv[1] as string];
    const [file, all] =
      program === "qkd-node" ? [process.execPath, [...own, ...words]] : [program, words];
    // What it has to say against something is for the person, not for the journal.
    this.#hand(true);
    const child = spawn(file, all, {
      stdio: [asks ? "inherit" : "ignore", 1, 1],
      env: { ...where.env, SYSTEMD_PAGER: "", SYSTEMD_LESS: "" },
    });
    this.#child = child;
    return new Promise((resolve) => {
      const over = () => {
        this.#child = undefined;
        this.#hand(false);
        resolve();
      };
      child.once("error", () => {
        terminal.say(`${program} cannot be started`);
        over();
      });
      child.once("close", (code) => {
        if (bundle !== undefined && code === 0) {
          terminal.say("to take it away: plug in a USB stick with the label QKD-SITE");
        }
        over();
      });
    });
  }

  /** What is typed is for the program that runs, and Ctrl-C ends it; or for us again. */
  #hand(over: boolean): void {
    if (process.stdin.isTTY) process.stdin.setRawMode(!over);
    if (over) this.#lines.pause();
    else if (this.#over === undefined) this.#lines.resume();
  }

  /** Where a support bundle goes: one at a time, in memory. */
  #bundle(): string {
    const folder = process.env.RUNTIME_DIRECTORY ?? ".";
    const file = join(folder, "support-bundle.tar.gz");
    rmSync(file, { force: true });
    return file;
  }

  /** Into the journal: standard error is not the console. */
  #audit(what: string, detail?: string): void {
    const more = detail === undefined ? "" : `: ${JSON.stringify(tidy(detail))}`;
    this.#context.terminal.complain(`maintenance console: ${what}${more}`);
  }

  /** Tells the node, if it runs: it tells the manager. */
  async #tell(on: boolean): Promise<void> {
    await this.#context.ask("session", { on }).catch(() => {});
  }
}

/** Forgets what was typed on this line. */
function erase(lines: Interface): void {
  lines.write(null, { ctrl: true, name: "e" });
  lines.write(null, { ctrl: true, name: "u" });
}
