/**
 * What is asked and answered over one connection of Ck: the same at both ends, and over both bindings. Pure: a
 * carrier has the bytes, and time is passed in.
 */
import { type Clock, every, type Timer } from "../../base/clock.ts";
import { Fault } from "../../base/errors.ts";
import { checkAnswer, refusalOf, refuse } from "./check.ts";
import { badMessage } from "./fault.ts";
import type { AnswerTypeOf, CkCommand, CkMessage, CkMessageOf } from "./messages.ts";
import { type CkReason, firstIdOf, lastIdOf, limits, times } from "./names.ts";
import { type MessageType, type Side, specOf } from "./table.ts";

/** Brings messages to the other end. */
export interface CkCarrier {
  /** @throws Fault `ck.message` if it is not as the table says */
  send(messageId: number, message: CkMessage): void;
  /** Since when a message is begun and not complete, monotonic ms. */
  readonly since: number | undefined;
  /** Ends the connection. @param why nothing if the end is in order */
  close(why: Fault): void;
}

/** A command of the other end. */
export interface CkAsked {
  readonly message: CkCommand;
  /**
   * Answers it, once: also if all there is to say is a refusal, since 256 may have no answer. A Key relay request that answers a notification is answered itself.
   * @param withinMs for that answer @returns that answer; undefined if there is none to come
   * @throws Fault `ck.message` if the answer does not fit; Faults of {@link CkSession.request}
   */
  reply(answer: CkMessage, withinMs?: number): Promise<CkMessage | undefined>;
}

export interface CkAnswered<C extends CkCommand = CkCommand> {
  readonly message: CkMessageOf<AnswerTypeOf<C["type"]>>;
  /** Of a route that came upon a notification: tells how the relay went. @throws Fault `ck.message` */
  readonly reply?: (answer: CkMessageOf<"relayResponse">) => Promise<void>;
}

export interface CkSessionHandlers {
  onCommand(asked: CkAsked): void;
  /** Once; what waits for an answer has been told before. */
  onEnd(why: Fault): void;
}

export interface CkSessionOptions {
  readonly side: Side;
  readonly carrier: CkCarrier;
  readonly clock: Clock;
  readonly handlers: CkSessionHandlers;
  /** The other end knows the messages that are ours: silence is a sign that it is gone. */
  readonly ours: boolean;
  /** What a KM tells if nothing else was told for a while. */
  readonly report?: () => CkMessageOf<"report">;
}

/** Counts of one connection. */
export interface CkCounts {
  /** Messages that were not as the table says. */
  unreadable: number;
  /** Answers that came too late, or to nothing. */
  late: number;
  /** Messages that are of no table: another version's. */
  unknown: number;
  /** Commands that were answered `busy` unread. */
  busy: number;
}

interface Answered extends Pick<CkAnswered, "reply"> {
  readonly message: CkMessage;
}

interface Waiting {
  readonly request: CkMessage;
  readonly answer: string;
  readonly timer: Timer;
  resolve(answered: Answered): void;
  reject(why: Fault): void;
}

/** How often it is looked at whether anything is due, ms. */
const lookMs = 1_000;

export class CkSession {
  readonly counts: CkCounts = { unreadable: 0, late: 0, unknown: 0, busy: 0 };
  readonly #options: CkSessionOptions;
  /** Commands of this end. */
  readonly #waiting = new Map<number, Waiting>();
  /** Commands of the other end. */
  readonly #asked = new Set<number>();
  readonly #watch: Timer;
  #nextId: number;
  #heardAt: number;
  #saidAt: number;
  #ended: Fault | undefined;

  constructor(options: CkSessionOptions) {
    this.#options = options;
    const now = options.clock.now();
    this.#heardAt = now;
    this.#saidAt = now;
    this.#nextId = firstIdOf[options.side];
    this.#watch = every(options.clock, lookMs, () => this.#look());
  }

  get isOver(): boolean {
    return this.#ended !== undefined;
  }

  /** The other end knows the messages that are ours. */
  get isOurs(): boolean {
    return this.#options.ours;
  }

  /** Commands of this end that have no answer yet. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /**
   * Sends a command.
   * @param withinMs for the answer
   * @returns the answer, which may refuse: see `refusalOf`
   * @throws Fault `ck.busy` if too many wait; `ck.timeout`; `ck.closed` and others with what ended the connection;
   *   `ck.message` if command or answer are not as the table says
   */
  async request<C extends CkCommand>(
    message: C,
    withinMs: number = times.answer,
  ): Promise<CkAnswered<C>> {
    const { side } = this.#options;
    if (specOf[message.type].from !== side) throw badMessage(message.type, "is not of this end");
    if (this.#waiting.size >= limits.unanswered) {
      throw new Fault("ck.busy", "too many commands have no answer", { limit: limits.unanswered });
    }
    const id = this.#freeId();
    return (await this.#ask(id, message, withinMs)) as CkAnswered<C>;
  }

  /** The carrier has read a message. @throws Fault `ck.frame` if it is not for this end: the connection is of no use */
  heard(messageId: number, message: CkMessage): void {
    if (this.#ended !== undefined) return;
    this.#heardAt = this.#options.clock.now();
    const spec = specOf[message.type];
    this.#checkSide(message.type);
    const waiting = this.#waiting.get(messageId);
    if (waiting?.answer === message.type) return this.#answered(messageId, waiting, message);
    if (spec.answer !== undefined) return this.#command(messageId, message as CkCommand);
    this.counts.late++;
  }

  /** The carrier could not read a message. @throws Fault `ck.frame` as {@link heard} */
  unreadable(messageId: number, type: MessageType, why: Fault): void {
    if (this.#ended !== undefined) return;
    this.#heardAt = this.#options.clock.now();
    this.counts.unreadable++;
    this.#checkSide(type);
    const waiting = this.#waiting.get(messageId);
    if (waiting?.answer === type) return this.#settle(messageId)?.reject(why);
    if (specOf[type].answer !== undefined) this.#refuse(messageId, type, "invalid_message");
  }

  /** Something came that is of no table. */
  unknown(): void {
    this.#heardAt = this.#options.clock.now();
    this.counts.unknown++;
  }

  /** The connection is over, or is to be. */
  end(why: Fault): void {
    if (this.#ended !== undefined) return;
    this.#ended = why;
    this.#watch.cancel();
    for (const id of [...this.#waiting.keys()]) this.#settle(id)?.reject(why);
    this.#asked.clear();
    this.#options.carrier.close(why);
    this.#options.handlers.onEnd(why);
  }

  #checkSide(type: MessageType): void {
    const { title, from } = specOf[type];
    if (from !== this.#options.side) return;
    throw new Fault("ck.frame", "message of Ck is of this end, and not for it", { message: title });
  }

  #freeId(): number {
    const { side } = this.#options;
    for (;;) {
      const id = this.#nextId;
      this.#nextId = id === lastIdOf[side] ? firstIdOf[side] : id + 1;
      if (!this.#waiting.has(id)) return id;
    }
  }

  #ask(id: number, request: CkMessage, withinMs: number): Promise<Answered> {
    if (this.#ended !== undefined) return Promise.reject(this.#ended);
    const { clock } = this.#options;
    const { answer = "", title } = specOf[request.type];
    return new Promise((resolve, reject) => {
      // What can't be sent throws here, before anything waits for it.
      this.#send(id, request);
      if (this.#ended !== undefined) return reject(this.#ended);
      const timer = clock.after(withinMs, () => {
        const facts = { message: title, limit_ms: withinMs };
        this.#settle(id)?.reject(new Fault("ck.timeout", "command of Ck has no answer", facts));
      });
      this.#waiting.set(id, { request, answer, timer, resolve, reject });
    });
  }

  #settle(id: number): Waiting | undefined {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    waiting?.timer.cancel();
    return waiting;
  }

  #answered(id: number, { request }: Waiting, message: CkMessage): void {
    const waiting = this.#settle(id);
    try {
      checkAnswer(request, message);
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      this.counts.unreadable++;
      if (specOf[message.type].answer !== undefined) {
        this.#refuse(id, message.type, "invalid_message");
      }
      return waiting?.reject(error);
    }
    if (message.type !== "relayRequest" || refusalOf(message) !== undefined) {
      return waiting?.resolve({ message });
    }
    this.#asked.add(id);
    waiting?.resolve({
      message,
      reply: async (answer) => void (await this.#reply(id, message, answer)),
    });
  }

  #command(id: number, message: CkCommand): void {
    const isFull = this.#asked.size >= limits.unanswered;
    if (isFull || this.#asked.has(id)) {
      this.counts.busy++;
      return this.#refuse(id, message.type, isFull ? "busy" : "invalid_message", message);
    }
    this.#asked.add(id);
    this.#options.handlers.onCommand({
      message,
      reply: (answer, withinMs) => this.#reply(id, message, answer, withinMs),
    });
  }

  /** Does nothing once the connection is over. */
  async #reply(
    id: number,
    command: CkCommand,
    answer: CkMessage,
    withinMs: number = times.answer,
  ): Promise<CkMessage | undefined> {
    if (specOf[command.type].answer !== answer.type) {
      throw badMessage(answer.type, "does not answer this command");
    }
    if (!this.#asked.has(id)) return undefined;
    checkAnswer(command, answer);
    const isAsking = answer.type === "relayRequest" && refusalOf(answer) === undefined;
    if (!isAsking) {
      this.#send(id, answer);
      this.#asked.delete(id);
      return undefined;
    }
    if (this.#waiting.has(id)) throw badMessage(answer.type, "has a MessageID that is in use");
    const response = this.#ask(id, answer, withinMs);
    this.#asked.delete(id);
    return (await response).message;
  }

  #refuse(id: number, type: MessageType, why: CkReason, about?: CkMessage): void {
    const { sessionId, requestId } = (about ?? {}) as {
      readonly sessionId?: string;
      readonly requestId?: string;
    };
    this.#send(
      id,
      refuse(type, why, { ...(sessionId && { sessionId }), ...(requestId && { requestId }) }),
    );
  }

  /** @throws Fault `ck.message` */
  #send(id: number, message: CkMessage): void {
    if (this.#ended !== undefined) return;
    this.#options.carrier.send(id, message);
    this.#saidAt = this.#options.clock.now();
  }

  #look(): void {
    const { carrier, clock, ours, report, side } = this.#options;
    const now = clock.now();
    if (carrier.since !== undefined && now - carrier.since >= times.message) {
      const facts = { limit_ms: times.message };
      return this.end(new Fault("ck.timeout", "the other end does not finish its message", facts));
    }
    if (!ours) return;
    if (now - this.#heardAt >= times.silence) {
      const facts = { limit_ms: times.silence };
      return this.end(new Fault("ck.timeout", "the other end says nothing any more", facts));
    }
    if (side === "km" && report !== undefined && now - this.#saidAt >= times.every) {
      // That it has no answer shows in what is heard.
      this.request(report()).catch(() => {});
    }
  }
}
