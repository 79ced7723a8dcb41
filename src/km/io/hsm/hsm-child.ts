/**
 * A process that talks to the token and ends: the vendor's library is loaded here and nowhere else. What it does to
 * its process, or leaves in its memory, ends with it. See `protocol.ts`.
 */
import { readFileSync, writeSync } from "node:fs";
import koffi from "koffi";
import * as v from "valibot";
import { errorCode, Fault, type FaultFacts } from "../../../base/errors.ts";
import { readSecretText } from "../../../host/disk/secret-file.ts";
import { Pkcs11 } from "./pkcs11.ts";
import {
  aboutMasterKey,
  type HsmAnswer,
  type HsmRequest,
  masterKeyBytes,
  requestSchema,
  type Wrapped,
  wrappedVersion,
} from "./protocol.ts";
import { sealedBytes, Token } from "./token.ts";

const answerTo = 3;
const dumpable = 4;
const diesWithParent = 1;
const sigkill = 9;

function serve(request: HsmRequest, adopted: Buffer): { answer: HsmAnswer; keys: Buffer[] } {
  const { module, token: label, serial, key: keyLabel, km } = request;
  const pin = readSecretText(request.pin_file, "hsm.pin", "the PIN");
  const library = new Pkcs11(module);
  const token = new Token(library, { token: label, serial }, request.make_key);
  const keys: Buffer[] = [];
  if (request.act === "look") {
    pin.fill(0);
    return { answer: { ...named(token), made_key: false, keys: 0 }, keys };
  }
  token.login(pin, request.by_hand);
  let wrapped: Wrapped | undefined;
  let madeKey = false;
  const about = aboutMasterKey(km);
  let refused: HsmAnswer["refused"];
  if (request.act === "open") {
    refused = open(token, request, keys);
  } else {
    let key = token.findKey(keyLabel);
    if (key === undefined && request.make_key) {
      key = token.makeKey(keyLabel);
      madeKey = true;
    }
    key ??= mustFind(token, keyLabel);
    const plain = request.act === "adopt" ? adopted : token.draw();
    const sealed = token.seal(key, plain, about);
    wrapped = { version: wrappedVersion, km, key: keyLabel, sealed: sealed.toString("base64") };
    keys.push(plain);
  }
  token.close();
  const answer = {
    ...named(token),
    ...(wrapped && { wrapped }),
    ...(refused && { refused }),
    made_key: madeKey,
    keys: keys.length,
  };
  return { answer, keys };
}

/**
 * @param keys those that open are added
 * @returns what does not open, if anything does: one that is of no use must not hide another
 * @throws Fault
 */
function open(token: Token, { wrapped, km }: HsmRequest, keys: Buffer[]): HsmAnswer["refused"] {
  const faults: { readonly at: number; readonly fault: Fault }[] = [];
  for (const [at, one] of wrapped.entries()) {
    try {
      keys.push(token.open(mustFind(token, one.key), sealedOf(one, km), aboutMasterKey(km)));
    } catch (fault) {
      if (!(fault instanceof Fault) || fault.code !== "hsm.key") throw fault;
      faults.push({ at, fault });
    }
  }
  const [first] = faults;
  if (first === undefined) return undefined;
  if (keys.length === 0) throw first.fault;
  return faults.map(({ at, fault: { message, facts } }) => ({ at, message, facts }));
}

function named({ found }: Token): { token: string; serial: string } {
  return { token: found.label, serial: found.serial };
}

function mustFind(token: Token, label: string): bigint {
  const key = token.findKey(label);
  if (key !== undefined) return key;
  const facts = { key: label, token: token.found.label };
  throw new Fault("hsm.key", "the token does not have the wrapping key", facts);
}

function sealedOf({ sealed, km }: Wrapped, mine: string): Buffer {
  const bytes = Buffer.from(sealed, "base64");
  if (km === mine && bytes.length === sealedBytes) return bytes;
  throw new Fault("hsm.key", "the wrapped master key is another key manager's, or damaged", { km });
}

function tell(json: unknown, keys: readonly Buffer[]): void {
  const text = Buffer.from(JSON.stringify(json), "utf8");
  const length = Buffer.alloc(4);
  length.writeUInt32BE(text.length);
  for (const part of [length, text, ...keys]) {
    for (let at = 0; at < part.length; ) at += writeSync(answerTo, part, at);
  }
  for (const key of keys) key.fill(0);
}

function problem(error: unknown): { code: string; message: string; facts: FaultFacts } {
  if (error instanceof Fault) {
    const { code, message, facts } = error;
    return { code, message, facts };
  }
  const reason = errorCode(error) ?? (error instanceof Error ? error.name : "unknown");
  return { code: "hsm.io", message: "the token cannot be asked", facts: { reason } };
}

function main(): void {
  // No core of it, no debugger on it, and no life without the key manager.
  const prctl = koffi.load("libc.so.6").func("int prctl(int, ulong, ulong, ulong, ulong)");
  prctl(dumpable, 0, 0, 0, 0);
  prctl(diesWithParent, sigkill, 0, 0, 0);
  // It may have been gone before: then no signal comes, and a token that hangs would keep this process.
  if (process.ppid !== Number(process.argv[2])) process.exit(1);
  const input = readFileSync(0);
  try {
    const end = input.indexOf("\n");
    const request = v.parse(requestSchema, JSON.parse(input.toString("utf8", 0, end)));
    const adopted = input.subarray(end + 1);
    if (request.act === "adopt" && adopted.length !== masterKeyBytes) {
      throw new Fault("hsm.io", "no key came with the request");
    }
    const { answer, keys } = serve(request, adopted);
    tell(answer, keys);
  } catch (error) {
    tell(problem(error), []);
  } finally {
    input.fill(0);
  }
}

main();
// Threads that the library left behind are not waited for.
process.exit(0);
