/** HELLO, WELCOME and REFUSE: the bodies that open a session (QMLP §3, §4). */
import { Fault } from "../../src/base/errors.ts";
import { type BlockRef, blockName } from "../../src/port/key.ts";
import type { ModuleRole } from "../../src/port/module.ts";

export const protocolVersion = 1;

export const maxWindow = 1_024;
export const minBody = 64;
export const maxBody = 1_048_576;

export const capability = {
  read: 1,
  discard: 2,
  command: 4,
  event: 8,
  gmac: 16,
  shortCrc: 32,
} as const;
export const allCapabilities = 0x3f;

/** The module has destroyed its key and waits to be initialised again. */
export const zeroizedReason = 3;
export const refusal: Readonly<Record<number, string>> = {
  1: "no common protocol version",
  2: "module is busy",
  [zeroizedReason]: "module is zeroized",
};

/** TLV tags; all values are text. */
const tag = {
  moduleId: 1,
  matchingModuleId: 2,
  vendor: 3,
  model: 4,
  serial: 5,
  firmware: 6,
  nodeSoftware: 7,
  newest: 8,
} as const;

export interface Hello {
  readonly versionMin: number;
  readonly versionMax: number;
  readonly window: number;
  readonly maxBody: number;
  /** 8 bytes */
  readonly nonce: Buffer;
  readonly capabilities: number;
  readonly nodeSoftware: string;
}

export interface Welcome {
  readonly version: number;
  readonly role: ModuleRole;
  readonly window: number;
  readonly maxBody: number;
  readonly nonce: Buffer;
  readonly capabilities: number;
  /** Longest block in bytes. */
  readonly maxBlock: number;
  readonly moduleId: string;
  readonly matchingModuleId: string;
  readonly vendor: string;
  readonly model: string;
  readonly serial: string;
  readonly firmware: string;
  /** The newest block of each epoch that the module holds; undefined if it does not tell. */
  readonly newest?: readonly BlockRef[];
}

export interface Refuse {
  readonly nonce: Buffer;
  readonly reason: number;
  readonly versionMin: number;
  readonly versionMax: number;
}

/** A body that does not follow the document. `what` names the message and field, not the bytes. */
export function malformed(what: string, facts: Record<string, number> = {}): Fault {
  return new Fault("qmlp.message", `malformed ${what}`, facts);
}

function need(body: Buffer, length: number, what: string): void {
  if (body.length < length)
    throw malformed(`${what}: too short`, { length: body.length, least: length });
}

function tlv(tagNumber: number, text: string): Buffer {
  const value = Buffer.from(text, "utf8").subarray(0, 255);
  return Buffer.concat([Buffer.from([tagNumber, value.length]), value]);
}

function readTlvs(body: Buffer, start: number, what: string): Map<number, string> {
  const found = new Map<number, string>();
  let at = start;
  while (at < body.length) {
    const end = at + 2 + (body[at + 1] ?? 256);
    if (end > body.length) throw malformed(`${what}: a TLV runs past the end`);
    found.set(body[at] as number, body.toString("utf8", at + 2, end));
    at = end;
  }
  return found;
}

/** As text: `EPOCH/NUMBER`, with spaces between several. */
function newestTlv(newest: readonly BlockRef[] | undefined): Buffer {
  if (newest === undefined) return Buffer.alloc(0);
  const text = newest.map(blockName).join(" ");
  // One that is cut short would say that blocks are new which are old: rather nothing is said.
  return text.length > 255 ? Buffer.alloc(0) : tlv(tag.newest, text);
}

function readNewest(text: string | undefined): readonly BlockRef[] | undefined {
  if (text === undefined) return undefined;
  const refs = text.split(" ").filter((one) => one !== "");
  return refs.map((one) => {
    const [, epoch, digits] = /^([0-9a-f]{16})\/(\d{1,16})$/.exec(one) ?? [];
    const number = Number(digits);
    if (epoch === undefined || !Number.isSafeInteger(number)) throw malformed("WELCOME: newest");
    return { epoch, number };
  });
}

function checkedLimits(window: number, body: number, what: string): void {
  if (window < 1 || window > maxWindow)
    throw malformed(`${what}: window`, { window, most: maxWindow });
  if (body < minBody || body > maxBody) {
    throw malformed(`${what}: max_body`, { max_body: body, least: minBody, most: maxBody });
  }
}

export function encodeHello(hello: Hello): Buffer {
  const head = Buffer.alloc(20);
  head[0] = hello.versionMin;
  head[1] = hello.versionMax;
  head.writeUInt16LE(hello.window, 2);
  head.writeUInt32LE(hello.maxBody, 4);
  hello.nonce.copy(head, 8, 0, 8);
  head.writeUInt32LE(hello.capabilities, 16);
  return Buffer.concat([head, tlv(tag.nodeSoftware, hello.nodeSoftware)]);
}

/** @throws Fault `qmlp.message` */
export function decodeHello(body: Buffer): Hello {
  need(body, 20, "HELLO");
  const window = body.readUInt16LE(2);
  const longest = body.readUInt32LE(4);
  checkedLimits(window, longest, "HELLO");
  return {
    versionMin: body[0] as number,
    versionMax: body[1] as number,
    window,
    maxBody: longest,
    nonce: Buffer.from(body.subarray(8, 16)),
    capabilities: body.readUInt32LE(16),
    nodeSoftware: readTlvs(body, 20, "HELLO").get(tag.nodeSoftware) ?? "",
  };
}

export function encodeWelcome(welcome: Welcome): Buffer {
  const head = Buffer.alloc(24);
  head[0] = welcome.version;
  head[1] = welcome.role === "alice" ? 0 : 1;
  head.writeUInt16LE(welcome.window, 2);
  head.writeUInt32LE(welcome.maxBody, 4);
  welcome.nonce.copy(head, 8, 0, 8);
  head.writeUInt32LE(welcome.capabilities, 16);
  head.writeUInt32LE(welcome.maxBlock, 20);
  return Buffer.concat([
    head,
    tlv(tag.moduleId, welcome.moduleId),
    tlv(tag.matchingModuleId, welcome.matchingModuleId),
    tlv(tag.vendor, welcome.vendor),
    tlv(tag.model, welcome.model),
    tlv(tag.serial, welcome.serial),
    tlv(tag.firmware, welcome.firmware),
    newestTlv(welcome.newest),
  ]);
}

/** @throws Fault `qmlp.message` */
export function decodeWelcome(body: Buffer): Welcome {
  need(body, 24, "WELCOME");
  const window = body.readUInt16LE(2);
  const longest = body.readUInt32LE(4);
  checkedLimits(window, longest, "WELCOME");
  const role = body[1] as number;
  if (role > 1) throw malformed("WELCOME: role", { role });
  const texts = readTlvs(body, 24, "WELCOME");
  const moduleId = texts.get(tag.moduleId) ?? "";
  if (moduleId.length < 1 || moduleId.length > 128) {
    throw malformed("WELCOME: module ID must have 1 to 128 characters", {
      length: moduleId.length,
    });
  }
  const matchingModuleId = texts.get(tag.matchingModuleId) ?? "";
  // A field that was padded with NUL, for instance: the ledger keeps the pair with one between.
  for (const [whose, id] of [["", moduleId] as const, ["matching ", matchingModuleId] as const]) {
    if (/\p{Cc}/u.test(id)) throw malformed(`WELCOME: ${whose}module ID has control characters`);
  }
  const newest = readNewest(texts.get(tag.newest));
  return {
    version: body[0] as number,
    role: role === 0 ? "alice" : "bob",
    window,
    maxBody: longest,
    nonce: Buffer.from(body.subarray(8, 16)),
    capabilities: body.readUInt32LE(16),
    maxBlock: body.readUInt32LE(20),
    moduleId,
    matchingModuleId,
    vendor: texts.get(tag.vendor) ?? "",
    model: texts.get(tag.model) ?? "",
    serial: texts.get(tag.serial) ?? "",
    firmware: texts.get(tag.firmware) ?? "",
    ...(newest !== undefined && { newest }),
  };
}

export function encodeRefuse(refuse: Refuse): Buffer {
  const tail = Buffer.from([refuse.reason, refuse.versionMin, refuse.versionMax]);
  return Buffer.concat([refuse.nonce, tail]);
}

/** @throws Fault `qmlp.message` */
export function decodeRefuse(body: Buffer): Refuse {
  need(body, 11, "REFUSE");
  return {
    nonce: Buffer.from(body.subarray(0, 8)),
    reason: body[8] as number,
    versionMin: body[9] as number,
    versionMax: body[10] as number,
  };
}
