/** One connection of a node to the test KM: bytes to messages, responses to bytes. */
import type { Socket } from "node:net";
import type { Clock, Timer } from "../../../src/base/clock.ts";
import { describe, Fault } from "../../../src/base/errors.ts";
import type { Log } from "../../../src/base/log.ts";
import { type KeyAnswer, readKeyAnswer } from "./answer.ts";
import type { Desk, Line } from "./desk.ts";
import {
  type BadHeader,
  codes,
  encodeFrame,
  encodeResponse,
  type Frame,
  FrameReader,
} from "./wire.ts";

/** A frame that began must be complete after this many milliseconds. */
const frameDeadline = 30_000;
/** What was answered last must have left after this many milliseconds of an orderly close. */
const closeDeadline = 1_000;

export interface ConnectionContext {
  readonly desk: Desk;
  readonly clock: Clock;
  readonly log: Log;
  /** Called for a message that only a KM may send, or an answer to nothing. */
  onBadResponse(): void;
}

export class Connection {
  readonly #socket: Socket;
  readonly #peer: readonly string[] | undefined;
  readonly #context: ConnectionContext;
  readonly #reader = new FrameReader();
  #deadline: Timer | undefined;
  #closing = false;
  /** Key requests that wait for their answer, by MessageID. */
  readonly #requests = new Map<number, PromiseWithResolvers<KeyAnswer>>();

  /**
   * Serves `socket` until either side closes it.
   * @param peer names in the client's certificate; undefined on plain TCP
   */
  constructor(socket: Socket, peer: readonly string[] | undefined, context: ConnectionContext) {
    this.#socket = socket;
    this.#peer = peer;
    this.#context = context;
    socket.setNoDelay(true);
    socket.on("data", (chunk: Buffer) => this.#read(chunk));
    socket.on("drain", () => socket.resume());
    socket.on("error", (error) => context.log.debug("connection", { cause: describe(error) }));
    socket.on("close", () => {
      this.#closing = true;
      this.#deadline?.cancel();
      this.#reader.wipe();
      for (const { reject } of this.#requests.values()) {
        reject(new Fault("kq1.closed", "the node closed before it answered"));
      }
    });
  }

  /** Closes in order: what was answered still goes out, within a second. */
  close(): void {
    if (this.#closing) return;
    this.#closing = true;
    this.#deadline?.cancel();
    this.#deadline = this.#context.clock.after(closeDeadline, () => this.#socket.destroy());
    this.#socket.resume();
    this.#socket.destroySoon();
  }

  /**
   * Asks the node for keys (Kq-1 §8.2.1).
   * @param payload of the request, whatever it is
   * @throws Fault `kq1.closed` if the connection ends before the answer, `kq1.message`
   */
  request(messageId: number, payload: Buffer): Promise<KeyAnswer> {
    const answer = Promise.withResolvers<KeyAnswer>();
    this.#requests.set(messageId, answer);
    this.#socket.write(encodeFrame(messageId, codes.keyRequest, payload));
    return answer.promise;
  }

  /** Cuts the connection. */
  drop(): void {
    this.#closing = true;
    this.#socket.destroy();
  }

  #read(chunk: Buffer): void {
    if (this.#closing) {
      chunk.fill(0);
      return;
    }
    for (const frame of this.#reader.push(chunk)) {
      this.#deadline?.cancel();
      this.#deadline = undefined;
      this.#take(frame);
      if (this.#closing) return;
    }
    // A node that does not read its answers is not read either.
    if (this.#socket.writableNeedDrain) this.#socket.pause();
    if (this.#reader.pending > 0) this.#deadline ??= this.#frameTimer();
  }

  #frameTimer(): Timer {
    return this.#context.clock.after(frameDeadline, () => {
      this.#context.log.warn("frame not completed in time", { limit_ms: frameDeadline });
      this.drop();
    });
  }

  #take(frame: Frame | BadHeader): void {
    const line = this.#line(frame.messageId);
    if ("fault" in frame) {
      this.#context.desk.reject(frame.fault, line);
    } else if (frame.code === codes.keySupply) {
      this.#context.desk.supply(frame.payload, line);
    } else if (frame.code === codes.keyRequestResponse && this.#requests.has(frame.messageId)) {
      const waiting = this.#requests.get(frame.messageId);
      this.#requests.delete(frame.messageId);
      try {
        waiting?.resolve(readKeyAnswer(frame.payload, "upon request"));
      } catch (error) {
        waiting?.reject(error);
        this.close();
      }
    } else if (frame.code === codes.keyRequest) {
      this.#context.desk.reject(
        new Fault("kq1.frame", "only a KM sends Key request", { clause: "8.2.1" }),
        line,
      );
    } else {
      this.#context.onBadResponse();
      this.close();
    }
  }

  #line(messageId: number): Line {
    let answered = false;
    const encode: Line["response"] = (response, keyId, moduleId) =>
      encodeResponse(messageId, {
        keyId,
        ...(moduleId === undefined ? {} : { moduleId }),
        response,
      });
    return {
      peer: this.#peer,
      answer: (response, keyId, moduleId) => {
        if (answered || this.#closing) return false;
        answered = true;
        this.#socket.write(encode(response, keyId, moduleId));
        return true;
      },
      response: encode,
      raw: (bytes) => {
        if (!this.#closing) this.#socket.write(bytes);
      },
      close: () => this.close(),
      drop: () => this.drop(),
    };
  }
}
