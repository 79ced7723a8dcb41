/** The other end of Kq-1 for tests of the KM alone: sends exactly the bytes it is told to. */
import { createHash } from "node:crypto";
import { once } from "node:events";
import { connect as connectTcp, type Socket } from "node:net";
import { type ConnectionOptions, connect as connectTls } from "node:tls";

/** A frame with any header, right or wrong. */
export function frame(
  messageId: number,
  payload: string | Uint8Array,
  { version = 1, code = 1 }: { version?: number; code?: number } = {},
): Buffer {
  const body = Buffer.from(payload as string);
  const header = Buffer.alloc(10);
  header.writeUInt16BE(version, 0);
  header.writeUInt32BE(messageId, 2);
  header.writeUInt16BE(code, 6);
  header.writeUInt16BE(body.length, 8);
  return Buffer.concat([header, body]);
}

/** QKD-key ID number `n` of a test. */
export function testId(n: number): string {
  return `5f0c3a52-7d1e-8a4b-9c6d-${n.toString(16).padStart(12, "0")}`;
}

/** Bytes of a test's key: reproducible, and different for each `seed`. */
export function testKey(seed: number, length = 32): Buffer {
  const blocks = Array.from({ length: Math.ceil(length / 32) }, (_, i) =>
    createHash("sha256").update(`test key ${seed}, block ${i}`).digest(),
  );
  return Buffer.concat(blocks).subarray(0, length);
}

/** A Key supply payload with every mandatory parameter; `more` is added, or put in their place. */
export function supplyPayload(n: number, more: Record<string, unknown> = {}): string {
  return JSON.stringify({
    key: testKey(n).toString("base64"),
    key_ID: testId(n),
    qkd_module_ID: "alice-1",
    ...more,
  });
}

export interface RawResponse {
  readonly code: number;
  readonly messageId: number;
  readonly payload: Record<string, unknown>;
}

export class RawClient {
  readonly socket: Socket;
  readonly #responses: AsyncGenerator<RawResponse, void, void>;

  constructor(socket: Socket) {
    this.socket = socket;
    // A refusal or a cut may come as an error; what the tests ask for is the end of the stream.
    socket.on("error", () => {});
    this.#responses = RawClient.#read(socket);
  }

  /** Connects in plain TCP. */
  static async plain(port: number): Promise<RawClient> {
    const socket = connectTcp(port, "127.0.0.1");
    await once(socket, "connect");
    return new RawClient(socket);
  }

  /** Starts to connect with TLS; whether the KM lets it in shows in the first answer. */
  static tls(port: number, options: ConnectionOptions): RawClient {
    return new RawClient(connectTls({ host: "127.0.0.1", port, ...options }));
  }

  send(bytes: Uint8Array): void {
    this.socket.write(bytes);
  }

  /** The next response, or undefined once the KM has closed the connection. */
  async next(): Promise<RawResponse | undefined> {
    return (await this.#responses.next()).value ?? undefined;
  }

  /** Sends a Key supply message and returns the reason in the next response. */
  async supply(messageId: number, payload: string): Promise<unknown> {
    this.send(frame(messageId, payload));
    return (await this.next())?.payload.response;
  }

  close(): void {
    this.socket.destroy();
  }

  static async *#read(socket: Socket): AsyncGenerator<RawResponse, void, void> {
    let pending = Buffer.alloc(0);
    try {
      for await (const chunk of socket) {
        pending = Buffer.concat([pending, chunk as Buffer]);
        while (pending.length >= 10) {
          const end = 10 + pending.readUInt16BE(8);
          if (pending.length < end) break;
          yield {
            messageId: pending.readUInt32BE(2),
            code: pending.readUInt16BE(6),
            payload: JSON.parse(pending.toString("utf8", 10, end)),
          };
          pending = pending.subarray(end);
        }
      }
    } catch {
      // A connection that was cut has ended, too.
    }
  }
}
