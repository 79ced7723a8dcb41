/** Supplies QKD-keys over Kq-1 as a node does, from messages that are as good as made: what is measured is the KM. */
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { connect, type TLSSocket } from "node:tls";

const headerLength = 10;
const idLength = 36;
const answerLength =
  headerLength + `{"key_ID":"${"0".repeat(idLength)}","response":"success"}`.length;

/** IDs of so many keys, as texts one after the other: both ends supply the same. */
export function drawIds(count: number): Buffer {
  const ids = Buffer.alloc(idLength * count);
  const drawn = randomBytes(count * 16);
  for (let i = 0; i < count; i++) {
    const hex = drawn.toString("hex", i * 16, i * 16 + 16);
    const id = `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20)}`;
    ids.write(id, i * idLength, "latin1");
  }
  return ids;
}

/** Where a key manager takes keys, and who supplies them. */
export type FeedAt = { readonly port: number; readonly serverName: string } & Record<
  "ca" | "cert" | "key",
  string
>;

export interface Feed {
  /** Of {@link connectFeed}; closed after. */
  readonly socket: TLSSocket;
  /** Of the message: its own module ID, and the matching one. */
  readonly modules: readonly [string, string];
  readonly ids: Buffer;
  /** Key of each message; its first bytes are made another for each. */
  readonly key: Buffer;
  /** Keys a second; undefined: as many as are answered. */
  readonly rate?: number | undefined;
  /** Messages without an answer. */
  readonly window: number;
  /** When the first of them is due, of `performance.now()`; undefined: at once. */
  readonly at?: number | undefined;
}

/** @returns when all were answered */
export async function feed({ socket, modules, ids, key, rate, window, at }: Feed): Promise<void> {
  const count = ids.length / idLength;
  const text = key.toString("base64");
  const head = `{"qkd_module_ID":"${modules[0]}","matching_qkd_module_ID":"${modules[1]}","key_ID":"`;
  const middle = `","key_length":${key.length * 8},"extension":[{"qber":0.03},{"sequence":1}],"key":"`;
  const payload = `${head}${"0".repeat(idLength)}${middle}${text}"}`;
  const message = Buffer.alloc(headerLength + payload.length);
  message.writeUInt16BE(1, 0);
  message.writeUInt16BE(1, 6);
  message.writeUInt16BE(payload.length, 8);
  message.write(payload, headerLength, "latin1");
  const idAt = headerLength + head.length;
  const keyAt = idAt + idLength + middle.length;
  let answered = 0;
  let wake = () => {};
  socket.on("data", (chunk: Buffer) => {
    answered += chunk.length;
    wake();
  });
  const pause = () =>
    new Promise<void>((resolve) => {
      wake = resolve;
      setTimeout(resolve, 1);
    });
  const most = Math.max(1, Math.floor(65_536 / message.length));
  // Blocks that have been written: to make one for each collected garbage for 30 ms, several times a second.
  const free: Buffer[] = [];
  const begun = at ?? performance.now();
  for (let sent = 0; Math.floor(answered / answerLength) < count; ) {
    const due = rate === undefined ? count : ((performance.now() - begun) / 1_000) * rate;
    const open = sent - Math.floor(answered / answerLength);
    const now = Math.min(most, count - sent, Math.floor(due) - sent, window - open);
    if (now <= 0) {
      await pause();
      continue;
    }
    const room = free.pop() ?? Buffer.allocUnsafe(most * message.length);
    const bytes = room.subarray(0, now * message.length);
    for (let i = 0; i < now; i++) {
      const to = i * message.length;
      const id = (sent + i) * idLength;
      message.copy(bytes, to);
      bytes.writeUInt32BE(sent + i + 1, to + 2);
      ids.copy(bytes, to + idAt, id, id + idLength);
      // Hexadecimal digits are base64 as well.
      ids.copy(bytes, to + keyAt, id, id + 8);
    }
    sent += now;
    if (!socket.write(bytes, () => free.push(room)))
      await new Promise((resolve) => socket.once("drain", resolve));
  }
  socket.destroy();
}

export function connectFeed({ port, serverName, ca, cert, key }: FeedAt): Promise<TLSSocket> {
  const socket = connect({
    host: "127.0.0.1",
    port,
    servername: serverName,
    ca: readFileSync(ca),
    cert: readFileSync(cert),
    key: readFileSync(key),
  });
  // As a node does: else a key waits in the kernel until the one before it is answered.
  socket.setNoDelay(true);
  return new Promise((resolve, reject) => {
    socket.once("secureConnect", () => resolve(socket)).once("error", reject);
  });
}
