/** Asks a token, by a process that ends with the answer. */
import { type ChildProcess, spawn } from "node:child_process";
import { extname, join } from "node:path";
import type { Readable, Writable } from "node:stream";
import * as v from "valibot";
import type { Clock } from "../../../base/clock.ts";
import { errorCode, Fault } from "../../../base/errors.ts";
import {
  answerSchema,
  type HsmAnswer,
  type HsmRequest,
  longestAnswer,
  masterKeyBytes,
} from "./protocol.ts";

export interface HsmAnswered extends HsmAnswer {
  /** 32 bytes each; the caller wipes them. */
  readonly masterKeys: readonly Buffer[];
}

const childFile = join(import.meta.dirname, `hsm-child${extname(import.meta.filename)}`);
const flags = ["--disable-sigusr1", "--no-warnings"];
/** All that a child may say. */
const most = 4 + longestAnswer + 4 * masterKeyBytes;

/**
 * @param request `adopt` goes with `key`, which the caller wipes
 * @param timeoutMs what is not answered by then is given up, and the process killed
 * @param stop as if that time were over
 * @throws Fault `hsm.library`, `.token`, `.pin`, `.key`, `.io`, `.timeout`; `stopped`
 */
export async function askToken(
  request: HsmRequest,
  timeoutMs: number,
  clock: Clock,
  key?: Buffer,
  stop?: AbortSignal,
): Promise<HsmAnswered> {
  const child = spawn(process.execPath, [...flags, childFile, `${process.pid}`], {
    // What the library prints is not read.
    stdio: ["pipe", "ignore", "ignore", "pipe"],
    env: environment(process.env),
  });
  const late = Promise.withResolvers<never>();
  late.promise.catch(() => {});
  const timer = clock.after(timeoutMs, () => {
    const facts = { module: request.module, limit_ms: timeoutMs };
    late.reject(new Fault("hsm.timeout", "the token does not answer", facts));
  });
  const stopped = () => late.reject(new Fault("stopped", "asking the token was stopped"));
  stop?.addEventListener("abort", stopped);
  if (stop?.aborted) stopped();
  const received: Buffer[] = [];
  try {
    const ended = hear(child, received);
    ended.catch(() => {});
    const input = child.stdin as Writable;
    // A child that is gone is told by its end.
    input.on("error", () => {});
    input.write(`${JSON.stringify(request)}\n`);
    const copy = Buffer.from(key ?? []);
    input.end(copy, () => copy.fill(0));
    await Promise.race([ended, late.promise]);
    return understand(Buffer.concat(received), request);
  } finally {
    timer.cancel();
    stop?.removeEventListener("abort", stopped);
    child.kill("SIGKILL");
    for (const part of received) part.fill(0);
  }
}

/** Resolves when all was said. @throws Fault `hsm.library` if it crashed */
function hear(child: ChildProcess, received: Buffer[]): Promise<void> {
  return new Promise((resolve, reject) => {
    let length = 0;
    const answer = child.stdio[3] as Readable;
    answer.on("data", (part: Buffer) => {
      received.push(part);
      length += part.length;
      if (length > most) reject(new Fault("hsm.io", "the answer about the token is too long"));
    });
    answer.on("error", () => {});
    child.once("error", (error) => {
      const reason = errorCode(error) ?? "unknown";
      reject(new Fault("hsm.io", "no process can be started to ask the token", { reason }));
    });
    child.once("close", (code, signal) => {
      if (length > 0) return resolve();
      const how = signal === null ? { exit_code: code ?? -1 } : { signal };
      reject(new Fault("hsm.library", "the PKCS#11 library crashed, or ended its process", how));
    });
  });
}

/** @throws Fault */
function understand(bytes: Buffer, { module }: HsmRequest): HsmAnswered {
  try {
    const length = bytes.length < 4 ? 0 : bytes.readUInt32BE();
    const answer = parse(bytes.subarray(4, 4 + length));
    if ("code" in answer) throw new Fault(answer.code, answer.message, answer.facts);
    const rest = bytes.subarray(4 + length);
    if (rest.length !== answer.keys * masterKeyBytes) throw broken(module);
    const masterKeys = Array.from({ length: answer.keys }, (_, i) =>
      Buffer.from(rest.subarray(i * masterKeyBytes, (i + 1) * masterKeyBytes)),
    );
    return { ...answer, masterKeys };
  } catch (error) {
    throw error instanceof Fault ? error : broken(module);
  } finally {
    bytes.fill(0);
  }
}

function parse(json: Buffer): v.InferOutput<typeof answerSchema> {
  return v.parse(answerSchema, JSON.parse(json.toString("utf8")));
}

/** A library that writes where it should not. */
function broken(module: string): Fault {
  return new Fault("hsm.library", "the answer about the token is damaged", { module });
}

/**
 * Libraries are configured by variables of their own; what is for Node.js or systemd is not for the child, but for
 * where compiled code is kept: it starts with a third of the work.
 */
function environment(all: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const kept = Object.entries(all).filter(
    ([name]) => !/^(NODE_(?!COMPILE_CACHE)|NOTIFY_SOCKET$|WATCHDOG_|LISTEN_)/.test(name),
  );
  return Object.fromEntries(kept);
}
