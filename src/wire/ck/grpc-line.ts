/** Ck over the stream of gRPC: messages in envelopes, for a session. Pure: the call is the owner's. */
import { Fault } from "../../base/errors.ts";
import { decodeEnvelope, encodeEnvelope } from "./grpc.ts";
import type { CkMessage } from "./messages.ts";
import type { CkCarrier, CkSession } from "./session.ts";
import { type MessageType, messageTypes } from "./table.ts";

export interface CkGrpcParts {
  readonly write: (bytes: Uint8Array) => void;
  readonly close: (why: Fault) => void;
  /** Since when a message of the call is begun, monotonic ms. */
  readonly since: () => number | undefined;
}

export class CkGrpcLine implements CkCarrier {
  readonly #io: CkGrpcParts;

  constructor(io: CkGrpcParts) {
    this.#io = io;
  }

  get since(): number | undefined {
    return this.#io.since();
  }

  send(messageId: number, message: CkMessage): void {
    this.#io.write(encodeEnvelope(message, messageId));
  }

  close(why: Fault): void {
    this.#io.close(why);
  }

  /** @param bytes one message of the call @param session that hears it */
  push(bytes: Uint8Array, session: CkSession): void {
    if (session.isOver) return;
    try {
      const found = decodeEnvelope(bytes);
      if (found === undefined) session.unknown();
      else session.heard(found.messageId, found.message);
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      const { message_id: id, type } = error.facts;
      const known = messageTypes.find((one): one is MessageType => one === type);
      // What is no envelope at all can't be answered: the other end is not one of Ck.
      if (typeof id !== "number" || known === undefined) return session.end(error);
      this.#unreadable(id, known, error, session);
    }
  }

  #unreadable(id: number, type: MessageType, why: Fault, session: CkSession): void {
    try {
      session.unreadable(id, type, why);
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      session.end(error);
    }
  }
}
