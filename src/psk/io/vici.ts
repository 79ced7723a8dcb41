/**
 * strongSwan's control socket, as far as pre-shared keys need it (vici: README.md of its libvici). Messages are bytes:
 * a key is never a text.
 */
import { connect } from "node:net";
import { type Clock, within } from "../../base/clock.ts";
import { errorCode, Fault } from "../../base/errors.ts";
import { wipeMemory } from "../../port/key.ts";

/** Values of a message; a list is several values under one name. */
export type ViciMessage = Readonly<Record<string, string | Uint8Array | readonly string[]>>;

const packet = { request: 0, response: 1, unknown: 2 } as const;
const element = { value: 3, list: 4, item: 5, listEnd: 6 } as const;
const timeoutMs = 30_000;
const longestAnswer = 65_536;

/**
 * Sends a command over a connection of its own.
 * @throws Fault `psk.install` if strongSwan cannot be asked, or refuses
 */
export async function askVici(
  socket: string,
  command: string,
  message: ViciMessage,
  clock: Clock,
): Promise<void> {
  const request = encode(command, message);
  const fault = (why: string) =>
    new Fault("psk.install", `strongSwan: ${command}: ${why}`, { socket });
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  const connection = connect({ path: socket });
  const chunks: Buffer[] = [];
  let length = 0;
  connection.on("data", (chunk: Buffer) => {
    chunks.push(chunk);
    length += chunk.length;
    const all = Buffer.concat(chunks);
    if (all.length >= 4 && all.length >= 4 + all.readUInt32BE(0)) return resolve(all.subarray(4));
    if (length > longestAnswer) reject(fault("its answer is too long"));
  });
  connection.once("error", (error) => reject(fault(errorCode(error) ?? "no connection")));
  connection.once("close", () => reject(fault("it closed the connection")));
  // Written to the socket at once, or copied: wiped when that is over.
  connection.write(request, () => wipeMemory(request));
  try {
    const late = () => fault(`no answer within ${timeoutMs / 1_000} s`);
    const answer = await within(clock, timeoutMs, promise, late);
    if (answer[0] !== packet.response) throw fault("it does not know this command");
    const { success, errmsg } = decode(answer.subarray(1));
    if (success !== "yes") throw fault(errmsg?.slice(0, 120) ?? "refused");
  } finally {
    connection.destroy();
    wipeMemory(request);
  }
}

function encode(command: string, message: ViciMessage): Buffer {
  const parts: Buffer[] = [Buffer.from([packet.request]), named(command)];
  for (const [name, value] of Object.entries(message)) {
    if (Array.isArray(value)) {
      parts.push(Buffer.from([element.list]), named(name));
      for (const item of value) parts.push(Buffer.from([element.item]), sized(Buffer.from(item)));
      parts.push(Buffer.from([element.listEnd]));
      continue;
    }
    const bytes = typeof value === "string" ? Buffer.from(value) : (value as Uint8Array);
    parts.push(Buffer.from([element.value]), named(name), sized(bytes));
  }
  const body = Buffer.concat(parts);
  for (const part of parts) part.fill(0);
  const request = Buffer.alloc(4 + body.length);
  request.writeUInt32BE(body.length);
  body.copy(request, 4);
  body.fill(0);
  return request;
}

function named(name: string): Buffer {
  const bytes = Buffer.from(name);
  return Buffer.concat([Buffer.from([bytes.length]), bytes]);
}

function sized(bytes: Uint8Array): Buffer {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(bytes.length);
  return Buffer.concat([length, bytes]);
}

/** Values of the answer's top level; what is in sections and lists is passed over. */
function decode(body: Buffer): Record<string, string> {
  const values: Record<string, string> = {};
  let at = 0;
  const name = () => {
    const length = body.readUInt8(at);
    at += 1 + length;
    return body.toString("utf8", at - length, at);
  };
  const text = () => {
    const length = body.readUInt16BE(at);
    at += 2 + length;
    return body.toString("utf8", at - length, at);
  };
  try {
    while (at < body.length) {
      const kind = body[at++];
      if (kind === element.value) {
        const key = name();
        values[key] = text();
      } else if (kind === element.item) text();
      else if (kind === element.list || kind === 1) name();
    }
  } catch {
    // Cut off: what came counts.
  }
  return values;
}
