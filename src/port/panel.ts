/**
 * What the panel process and the node tell each other over a Unix socket: lines of JSON, each the
 * whole state of its sender, on every change and every {@link beatMs}. A line that is lost or
 * comes twice changes nothing; no line for {@link silentMs} means that the other side is gone.
 */
import * as v from "valibot";
import { Fault } from "../base/errors.ts";

/** Both sides name it in every line; another one is not understood. */
export const linkVersion = 1;
/** Each side says at least this often how it is, ms. */
export const beatMs = 500;
/** Nothing for this long: the other side is gone, ms. */
export const silentMs = 2_000;
/** No line is longer, bytes with its line feed. */
export const longestLine = 1_024;
/** Tamper contacts that a controller may have; numbered from 0. */
export const mostContacts = 8;

const contacts = v.pipe(
  v.array(v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(mostContacts - 1))),
  v.maxLength(mostContacts),
);
const short = v.pipe(v.string(), v.maxLength(200));
const count = v.pipe(v.number(), v.integer(), v.minValue(0));
const request = v.pipe(v.string(), v.regex(/^[\w-]{1,64}$/));

const panelSchema = v.object({
  v: v.literal(linkVersion),
  from: v.literal("panel"),
  /** Why the controller is not heard; absent while it is. Nothing below is known then. */
  lost: v.optional(short),
  /** Contacts that are open now. */
  open: contacts,
  /** Contacts that opened since their latch was cleared; the controller remembers without power. */
  latched: contacts,
  /** The controller could not have noticed: its own power failed, or its memory was lost. */
  blind: v.boolean(),
  /** The key switch is at maintenance. */
  maintenance: v.boolean(),
  /** The zeroize button was held long enough; the same until the node has taken it. */
  zeroize: v.optional(request),
  serial: v.optional(short),
  firmware: v.optional(short),
  /** Reports of the controller that could not be read, since the process began. */
  malformed: count,
});

const nodeSchema = v.object({
  v: v.literal(linkVersion),
  from: v.literal("node"),
  health: v.picklist(["ok", "warning", "alarm"]),
  /** Keys are being supplied, or would be if there were any. */
  supply: v.boolean(),
  /** `seen`: supply has stopped; `latched`: that is on disk as well. */
  tamper: v.picklist(["none", "seen", "latched"]),
  maintenance: v.boolean(),
  zeroize: v.picklist(["none", "pending", "done", "failed"]),
  /** The last request to zeroize that the node has taken. */
  taken: v.optional(request),
  /** An operator has cleared the tampering: the controller is to clear its latches. */
  clear: v.boolean(),
});

export type PanelMessage = v.InferOutput<typeof panelSchema>;
export type NodeMessage = v.InferOutput<typeof nodeSchema>;

export function encodeLine(message: PanelMessage | NodeMessage): Buffer {
  return Buffer.from(`${JSON.stringify(message)}\n`);
}

/** @throws Fault `panel.message` */
export const decodePanel = (line: Buffer): PanelMessage => decode(panelSchema, line);
/** @throws Fault `panel.message` */
export const decodeNode = (line: Buffer): NodeMessage => decode(nodeSchema, line);

function decode<T>(schema: v.GenericSchema<unknown, T>, line: Buffer): T {
  let value: unknown;
  try {
    value = JSON.parse(line.toString("utf8"));
  } catch {
    throw new Fault("panel.message", "a line that is not JSON");
  }
  const version = (value as { v?: unknown } | null)?.v;
  if (typeof version === "number" && version !== linkVersion) {
    const facts = { version, expected: linkVersion };
    throw new Fault("panel.message", "panel and node speak different versions", facts);
  }
  const result = v.safeParse(schema, value);
  if (result.success) return result.output;
  const at = String(result.issues[0].path?.[0]?.key ?? "").slice(0, 32);
  throw new Fault("panel.message", "a line that is no message", { at });
}

/** Cuts what arrives into lines; never holds more than one. */
export class Lines {
  #held: Buffer = Buffer.alloc(0);

  /** @throws Fault `panel.message` if a line is too long; what `take` throws */
  push(chunk: Buffer, take: (line: Buffer) => void): void {
    let rest = chunk;
    for (let end = rest.indexOf(10); end >= 0; end = rest.indexOf(10)) {
      const line = Buffer.concat([this.#held, rest.subarray(0, end)]);
      this.#held = Buffer.alloc(0);
      rest = rest.subarray(end + 1);
      if (line.length >= longestLine) throw tooLong();
      take(line);
    }
    if (this.#held.length + rest.length >= longestLine) throw tooLong();
    this.#held = Buffer.concat([this.#held, rest]);
  }
}

function tooLong(): Fault {
  return new Fault("panel.message", "line too long", { limit: longestLine });
}
