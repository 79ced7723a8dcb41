/** Ck over TCP on one connection: bytes to messages and back, for a session. Pure: a socket is the owner's. */
import { Fault } from "../../base/errors.ts";
import { KqDeframer, type KqFrame } from "../kq1/frame.ts";
import type { CkMessage } from "./messages.ts";
import { Parts } from "./part.ts";
import type { CkCarrier, CkSession } from "./session.ts";
import { typeOfCode } from "./table.ts";
import { decodePayload, encodeFrames } from "./tcp.ts";

export interface CkTcpParts {
  readonly write: (bytes: Buffer) => void;
  readonly close: (why: Fault) => void;
  /** Monotonic ms. */
  readonly now: () => number;
}

export class CkTcpLine implements CkCarrier {
  readonly #io: CkTcpParts;
  readonly #parts = new Parts();
  readonly #deframer = new KqDeframer((frame) => this.#frame(frame), "ck.frame");
  #session: CkSession | undefined;
  /** Since when a frame is begun. */
  #since: number | undefined;
  #frames = 0;

  constructor(io: CkTcpParts) {
    this.#io = io;
  }

  get since(): number | undefined {
    const parts = this.#parts.since;
    if (parts === undefined || this.#since === undefined) return parts ?? this.#since;
    return Math.min(parts, this.#since);
  }

  send(messageId: number, message: CkMessage): void {
    for (const frame of encodeFrames(message, messageId)) this.#io.write(frame);
  }

  close(why: Fault): void {
    this.#io.close(why);
  }

  /** @param session that hears what comes */
  push(chunk: Buffer, session: CkSession): void {
    if (session.isOver) return;
    this.#session = session;
    const before = this.#frames;
    try {
      this.#deframer.push(chunk);
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      return session.end(error);
    }
    if (this.#deframer.pending === 0) this.#since = undefined;
    else if (this.#since === undefined || this.#frames !== before) this.#since = this.#io.now();
  }

  /** @throws Fault `ck.frame` */
  #frame({ messageId, command, payload }: KqFrame): void {
    const session = this.#session;
    this.#frames++;
    if (session === undefined || session.isOver) return;
    const type = typeOfCode(command);
    if (type === undefined) return session.unknown();
    let message: CkMessage | undefined;
    try {
      message = this.#parts.add(messageId, decodePayload(type, payload), this.#io.now());
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      this.#parts.forget(messageId);
      return session.unreadable(messageId, type, error);
    }
    if (message !== undefined) session.heard(messageId, message);
  }
}
