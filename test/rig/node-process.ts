/** A node daemon as an operator runs it: a process of its own. */
import { type ChildProcess, spawn } from "node:child_process";
import { createWriteStream, type WriteStream } from "node:fs";
import { lateDisk } from "./late.ts";
import { programPath } from "./programs.ts";

/** Log lines that are kept in memory. */
const maxLines = 5_000;

export class NodeProcess {
  /** The last lines of its log. */
  readonly lines: string[] = [];
  readonly #config: string;
  readonly #logFile: string;
  readonly #onLine: ((line: string) => void) | undefined;
  /** More of the process's environment, from the next start on. */
  environment: Readonly<Record<string, string>> = {};
  readonly #program: string;
  #child: ChildProcess | undefined;
  #exited: Promise<number | NodeJS.Signals> = Promise.resolve(0);
  readonly #watchers = new Set<() => void>();

  /** @param program another than the node */
  constructor(
    config: string,
    logFile: string,
    onLine?: (line: string) => void,
    program: string = programPath("qkd-node"),
  ) {
    this.#config = config;
    this.#logFile = logFile;
    this.#onLine = onLine;
    this.#program = program;
  }

  get running(): boolean {
    return this.#child !== undefined;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  start(): void {
    if (this.#child !== undefined) return;
    const child = spawn(this.#program, ["run", "--config", this.#config], {
      stdio: ["ignore", "ignore", "pipe"],
      env: { ...process.env, ...lateDisk(), ...this.environment },
    });
    this.#child = child;
    const file = createWriteStream(this.#logFile, { flags: "a", mode: 0o600 });
    let rest = "";
    child.stderr.setEncoding("utf8");
    child.stderr.on("data", (text: string) => {
      const lines = (rest + text).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) this.#line(line, file);
    });
    this.#exited = new Promise((resolve) => {
      child.once("close", (code, signal) => {
        this.#child = undefined;
        // Its log is closed when it has stopped: whoever waits for that may remove the folder.
        file.once("close", () => resolve(signal ?? code ?? -1)).end();
        for (const check of this.#watchers) check();
      });
      child.once("error", () => resolve(-1));
    });
  }

  /** @returns the exit code, or the signal that ended it */
  async stop(signal: NodeJS.Signals = "SIGTERM"): Promise<number | NodeJS.Signals> {
    this.#child?.kill(signal);
    return this.#exited;
  }

  /** Sends a signal that does not end it. */
  signal(signal: NodeJS.Signals): void {
    this.#child?.kill(signal);
  }

  /**
   * Resolves with the first line, past or to come, that matches.
   * @throws Error with what was logged last: when `signal` aborts, or a process ended before
   */
  logged(pattern: RegExp, signal: AbortSignal): Promise<string> {
    return new Promise((resolve, reject) => {
      const started = this.#child;
      const fail = (why: string) => {
        this.#watchers.delete(check);
        const last = this.lines.slice(-12).join("\n");
        reject(new Error(`${this.#config}: no line ${pattern}: ${why}; logged last:\n${last}`));
      };
      const check = () => {
        const found = this.lines.find((line) => pattern.test(line));
        if (found !== undefined) {
          this.#watchers.delete(check);
          resolve(found);
        } else if (started !== undefined && this.#child !== started) fail("the process ended");
      };
      this.#watchers.add(check);
      const onAbort = () => fail(String(signal.reason));
      signal.addEventListener("abort", onAbort);
      if (signal.aborted) onAbort();
      else check();
    });
  }

  #line(line: string, file: WriteStream): void {
    this.lines.push(line);
    if (this.lines.length > maxLines) this.lines.shift();
    file.write(`${line}\n`);
    this.#onLine?.(line);
    for (const check of this.#watchers) check();
  }
}
