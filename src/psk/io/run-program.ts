/** Runs a program that gives a tunnel its key. The key is in a file: not in its arguments, nor in its environment. */
import { spawn } from "node:child_process";
import type { Clock } from "../../base/clock.ts";
import { errorCode, Fault } from "../../base/errors.ts";
import { diskFiles } from "../../host/disk/files.ts";
import { wipeMemory } from "../../port/key.ts";
import type { Tunnel } from "../rotation/ports.ts";
import { putKey, withState } from "./state-files.ts";

export type KeyFormat = "base64" | "hex" | "raw";

export interface ProgramOptions {
  /** Program and arguments; `%f` stands for the file with the key. */
  readonly command: readonly [string, ...string[]];
  readonly format: KeyFormat;
  /** As of {@link Tunnel}. */
  readonly isRepeatable: boolean;
  /** Of root alone, and in memory. */
  readonly folder: string;
  readonly clock: Clock;
}

const timeoutMs = 10_000;
/** What a program said is waited for so long after its end, ms. */
const lastWordsMs = 500;
const mostSaid = 512;

export class ProgramTunnel implements Tunnel {
  readonly isRepeatable: boolean;
  readonly #options: ProgramOptions;

  constructor(options: ProgramOptions) {
    this.#options = options;
    this.isRepeatable = options.isRepeatable;
  }

  async install(bytes: Uint8Array): Promise<void> {
    const { command, format, folder, clock } = this.#options;
    const file = `${folder}/install`;
    const text = formatted(bytes, format);
    const state = (act: () => Promise<void>) =>
      withState(folder, "the tunnel's key cannot be written for its program", act);
    try {
      await state(() => putKey(diskFiles, file, text));
      const [program, ...args] = command.map((word) =>
        // A text would have its `$&` and `$$` read as patterns.
        word.replaceAll("%f", () => file),
      ) as [string];
      await run(program, args, clock);
    } finally {
      wipeMemory(text);
      await state(() => diskFiles.remove(file));
    }
  }

  async agreed(): Promise<void> {}
}

const digits = Buffer.from("0123456789abcdef");
const letters = Buffer.from("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/");

/** @returns memory that the caller wipes */
function formatted(bytes: Uint8Array, format: KeyFormat): Buffer {
  if (format === "raw") return Buffer.from(new Uint8Array(bytes));
  if (format === "hex") {
    const text = Buffer.alloc(bytes.length * 2 + 1, "\n");
    for (const [i, byte] of bytes.entries()) {
      text[2 * i] = digits[byte >> 4] as number;
      text[2 * i + 1] = digits[byte & 15] as number;
    }
    return text;
  }
  const text = Buffer.alloc(Math.ceil(bytes.length / 3) * 4 + 1, "=");
  text[text.length - 1] = 0x0a;
  for (let i = 0, at = 0; i < bytes.length; i += 3) {
    const three = ((bytes[i] ?? 0) << 16) | ((bytes[i + 1] ?? 0) << 8) | (bytes[i + 2] ?? 0);
    const count = Math.min(3, bytes.length - i) + 1;
    for (let n = 0; n < 4; n++, at++) {
      if (n < count) text[at] = letters[(three >> (18 - 6 * n)) & 63] as number;
    }
  }
  return text;
}

/**
 * Resolves when the program has ended well. What it leaves running may go on, also where that holds its standard error.
 * @throws Fault `psk.install`
 */
function run(program: string, args: readonly string[], clock: Clock): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const fail = (why: string) =>
    reject(new Fault("psk.install", `the tunnel did not take its key: ${why}`, { program }));
  let said = "";
  let ended = "";
  const told = () => fail(`${said === "" ? "" : `${withoutKeys(said)}: `}${ended}`);
  try {
    // In a group of its own: what a script waits for is killed with it.
    const child = spawn(program, [...args], {
      stdio: ["ignore", "ignore", "pipe"],
      detached: true,
    });
    const timer = clock.after(timeoutMs, () => {
      ended = `it was not done within ${timeoutMs / 1_000} s`;
      killGroup(child.pid);
    });
    child.stderr.on("data", (text: Buffer) => {
      if (said.length < mostSaid) said += text.toString("latin1");
    });
    child.once("error", (error) => {
      timer.cancel();
      fail(errorCode(error) ?? "it cannot be started");
    });
    child.once("exit", (code, signal) => {
      timer.cancel();
      if (code === 0) return resolve();
      if (ended === "") ended = signal ?? `exit code ${code}`;
      // The end of what it said may still come; who else has its standard error may keep it open for long.
      clock.after(lastWordsMs, told);
    });
    child.once("close", (code) => {
      if (code !== 0) told();
    });
  } catch (error) {
    // Node.js tells some reasons at once: a part of the path that is no folder, arguments that are too long.
    fail(errorCode(error) ?? "it cannot be started");
  }
  return promise;
}

/** @param pid of the group's first process; undefined: it never was */
function killGroup(pid: number | undefined): void {
  try {
    if (pid !== undefined) process.kill(-pid, "SIGKILL");
  } catch {
    // All of it has ended.
  }
}

/** `wg` quotes a key that it does not like. */
function withoutKeys(said: string): string {
  const [line = ""] = said.trim().split("\n");
  return line.replace(/[A-Za-z0-9+/=_-]{20,}/g, "…").slice(0, 160);
}
