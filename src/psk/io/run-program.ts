/** Runs a program that gives a tunnel its key. The key is in a file: not in its arguments, nor in its environment. */
import { spawn } from "node:child_process";
import type { Clock } from "../../base/clock.ts";
import { errorCode, Fault } from "../../base/errors.ts";
import { diskFiles, replaceFile } from "../../host/disk/files.ts";
import { wipeMemory } from "../../port/key.ts";
import type { Tunnel } from "../rotation/ports.ts";

export type KeyFormat = "base64" | "hex" | "raw";

export interface ProgramOptions {
  /** Program and arguments; `%f` stands for the file with the key. */
  readonly command: readonly [string, ...string[]];
  readonly format: KeyFormat;
  /** Of root alone, and in memory. */
  readonly folder: string;
  readonly clock: Clock;
}

const timeoutMs = 10_000;
const mostSaid = 512;

export class ProgramTunnel implements Tunnel {
  readonly #options: ProgramOptions;

  constructor(options: ProgramOptions) {
    this.#options = options;
  }

  async install(bytes: Uint8Array): Promise<void> {
    const { command, format, folder, clock } = this.#options;
    const file = `${folder}/install`;
    const text = formatted(bytes, format);
    try {
      await replaceFile(diskFiles, file, text);
      const [program, ...args] = command.map((word) => word.replaceAll("%f", file)) as [string];
      await run(program, args, clock);
    } finally {
      wipeMemory(text);
      await diskFiles.remove(file);
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

/** @throws Fault `psk.install` */
function run(program: string, args: readonly string[], clock: Clock): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const fail = (why: string) =>
    reject(new Fault("psk.install", `the tunnel did not take its key: ${why}`, { program }));
  const child = spawn(program, [...args], { stdio: ["ignore", "ignore", "pipe"] });
  const timer = clock.after(timeoutMs, () => child.kill("SIGKILL"));
  let said = "";
  child.stderr.on("data", (text: Buffer) => {
    if (said.length < mostSaid) said += text.toString("latin1");
  });
  child.once("error", (error) => fail(errorCode(error) ?? "it cannot be started"));
  child.once("close", (code, signal) => {
    timer.cancel();
    if (code === 0) return resolve();
    fail(`${said === "" ? "" : `${withoutKeys(said)}: `}${signal ?? `exit code ${code}`}`);
  });
  return promise;
}

/** `wg` quotes a key that it does not like. */
function withoutKeys(said: string): string {
  const [line = ""] = said.trim().split("\n");
  return line.replace(/[A-Za-z0-9+/=_-]{20,}/g, "…").slice(0, 160);
}
