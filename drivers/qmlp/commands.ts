/** COMMAND and RESULT (QMLP §4, Commands). */
import type { ModuleCommand } from "../../src/port/module.ts";
import { malformed } from "./hello.ts";

export const commandCode = {
  start: 1,
  stop: 2,
  key_rate: 3,
  self_test: 4,
  zeroize: 5,
  telemetry_interval: 6,
} as const satisfies Record<ModuleCommand["name"], number>;

/** Guards `zeroize` against a frame that was made by mistake: "ZERO" in ASCII, read as a number. */
export const zeroizeWord = 0x5a45524f;

export const status = {
  done: 0,
  unknown: 1,
  badArgument: 2,
  notNow: 3,
  failed: 4,
  busy: 5,
} as const;

export const statusText: Readonly<Record<number, string>> = {
  0: "done",
  1: "unknown command",
  2: "bad argument",
  3: "not possible in this state",
  4: "failed",
  5: "busy",
};

export interface Result {
  readonly request: number;
  readonly status: number;
  /** What the module says about it; at most 256 characters are kept. */
  readonly text: string;
}

export function encodeCommand(request: number, command: ModuleCommand): Buffer {
  const body = Buffer.alloc(16);
  body.writeUInt32LE(request, 0);
  body.writeUInt16LE(commandCode[command.name], 4);
  switch (command.name) {
    case "key_rate":
      body.writeDoubleLE(command.bitsPerSecond, 8);
      return body;
    case "zeroize":
      body.writeUInt32LE(zeroizeWord, 8);
      return body.subarray(0, 12);
    case "telemetry_interval":
      body.writeUInt32LE(command.ms, 8);
      return body.subarray(0, 12);
    default:
      return body.subarray(0, 8);
  }
}

/** The module's side. @returns undefined for an unknown code or a wrong argument, with the status */
export function decodeCommand(body: Buffer): {
  readonly request: number;
  readonly command?: ModuleCommand;
  readonly status: number;
} {
  if (body.length < 8) throw malformed("COMMAND: too short", { length: body.length, least: 8 });
  const request = body.readUInt32LE(0);
  const bad = { request, status: status.badArgument };
  const good = (command: ModuleCommand) => ({ request, command, status: status.done });
  switch (body.readUInt16LE(4)) {
    case commandCode.start:
      return good({ name: "start" });
    case commandCode.stop:
      return good({ name: "stop" });
    case commandCode.self_test:
      return good({ name: "self_test" });
    case commandCode.key_rate: {
      const bitsPerSecond = body.length >= 16 ? body.readDoubleLE(8) : Number.NaN;
      return bitsPerSecond >= 0 ? good({ name: "key_rate", bitsPerSecond }) : bad;
    }
    case commandCode.zeroize: {
      const right = body.length >= 12 && body.readUInt32LE(8) === zeroizeWord;
      return right ? good({ name: "zeroize" }) : bad;
    }
    case commandCode.telemetry_interval: {
      const ms = body.length >= 12 ? body.readUInt32LE(8) : Number.NaN;
      const right = ms === 0 || (ms >= 100 && ms <= 3_600_000);
      return right ? good({ name: "telemetry_interval", ms }) : bad;
    }
    default:
      return { request, status: status.unknown };
  }
}

export function encodeResult(result: Result): Buffer {
  const head = Buffer.alloc(8);
  head.writeUInt32LE(result.request, 0);
  head.writeUInt16LE(result.status, 4);
  return Buffer.concat([head, Buffer.from(result.text, "utf8")]);
}

/** @throws Fault `qmlp.message` */
export function decodeResult(body: Buffer): Result {
  if (body.length < 8) throw malformed("RESULT: too short", { length: body.length, least: 8 });
  return {
    request: body.readUInt32LE(0),
    status: body.readUInt16LE(4),
    text: body.toString("utf8", 8, Math.min(body.length, 8 + 256)),
  };
}
