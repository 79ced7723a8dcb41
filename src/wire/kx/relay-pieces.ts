/** A RELAY whose body does not fit its frame: pieces of it go before, and the message has what is left. Of version 2. */
import { Fault } from "../../base/errors.ts";
import type { KxMessage } from "./messages.ts";
import { limits } from "./names.ts";
import type { Relay } from "./relay-messages.ts";

/** How a body is cut; there is one way only. */
export interface Cut {
  /** Bytes of each piece. */
  readonly piece: number;
  /** Bytes of what is left, at most. */
  readonly rest: number;
}

const usual: Cut = { piece: limits.relayPiece, rest: limits.relayBody };

/** @returns views of the body, and the message with the last part of it */
export function cutRelay(
  message: Relay,
  { piece, rest }: Cut = usual,
): { pieces: Buffer[]; last: Relay } {
  const { body } = message;
  if (body.length <= rest) return { pieces: [], last: message };
  const pieces: Buffer[] = [];
  let at = 0;
  for (; body.length - at > rest; at += piece) pieces.push(body.subarray(at, at + piece));
  return { pieces, last: { ...message, body: body.subarray(at) } };
}

/** Puts the messages of one direction of a connection together again. Holds one body at most. */
export class RelayJoiner {
  readonly #cut: Cut;
  /** Of the pieces so far, one after the other. */
  #held: Buffer | undefined;
  #bytes = 0;

  constructor(cut: Cut = usual) {
    this.#cut = cut;
  }

  /**
   * @param message in the order in which they came; a piece is copied @returns undefined: it is a piece
   * @throws Fault `kx.message` if pieces are no body of a RELAY, or cut otherwise
   */
  add(message: KxMessage): Exclude<KxMessage, { type: "relayPiece" }> | undefined {
    if (message.type === "relayPiece") {
      this.#piece(message.bytes);
      return undefined;
    }
    if (this.#held === undefined || this.#bytes === 0) return message;
    if (message.type !== "relay") throw wrong("pieces are followed by their RELAY", message.type);
    const { piece, rest } = this.#cut;
    // Less would have fitted without the last piece.
    if (message.body.length <= rest - piece) throw wrong("is cut otherwise", "relay");
    const body = Buffer.allocUnsafeSlow(this.#bytes + message.body.length);
    this.#held.copy(body, 0, 0, this.#bytes);
    message.body.copy(body, this.#bytes);
    this.#bytes = 0;
    return { ...message, body };
  }

  #piece(bytes: Buffer): void {
    const { piece } = this.#cut;
    if (bytes.length !== piece) throw wrong("is cut otherwise", "relayPiece", piece);
    const limit = limits.relayBytes;
    if (this.#bytes + piece > limit) throw wrong("has too many pieces", "relayPiece", limit);
    this.#held ??= Buffer.allocUnsafeSlow(limit);
    bytes.copy(this.#held, this.#bytes);
    this.#bytes += piece;
  }
}

function wrong(why: string, message: string, limit?: number): Fault {
  return new Fault("kx.message", `${message} of a KM link: ${why}`, {
    message,
    field: "body",
    ...(limit !== undefined && { limit }),
  });
}
