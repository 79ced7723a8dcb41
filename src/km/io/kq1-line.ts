/** One connection of a node over TCP (Annex A): its keys go to intake, and answers back. */
import type { Socket } from "node:net";
import type { Clock, Timer } from "../../base/clock.ts";
import { errorCode, Fault } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import { LogLimit } from "../../base/log-limit.ts";
import { wipeMemory } from "../../port/key.ts";
import { KqDeframer, type KqFrame } from "../../wire/kq1/frame.ts";
import { command } from "../../wire/kq1/names.ts";
import type { SupplyResponse } from "../../wire/kq1/supply-answer.ts";
import { SupplyReader } from "../../wire/kq1/supply-reader.ts";
import { Line } from "../acquisition/line.ts";
import { idBytes } from "../keys/masked-ids.ts";
import { Answers } from "./answers.ts";
import { Tickets } from "./tickets.ts";
import type { Admitted, DoorTimes } from "./tls-door.ts";
import type { Turn } from "./turn.ts";

export interface Kq1LineParts {
  readonly turn: Turn;
  readonly clock: Clock;
  readonly log: Log;
  readonly times: DoorTimes;
  /** A message that can be followed came, for the first time. */
  readonly spoke: () => void;
  /** A Response to key request came; undefined where none are sent. */
  readonly responded?: (line: Kq1Line, frame: KqFrame) => void;
  readonly closed: (line: Kq1Line) => void;
}

/** While more than this has no answer, a node is not read from: keys, and bytes of them. */
const mostKeys = 8_192;
const mostBytes = 8_388_608;
/** A socket that takes bytes closes in this time, ms; else it is destroyed. */
const closeTimeout = 500;

export class Kq1Line extends Line {
  readonly source: string;
  readonly #socket: Socket;
  readonly #parts: Kq1LineParts;
  readonly #reader = new SupplyReader();
  readonly #deframer: KqDeframer;
  readonly #tickets = new Tickets();
  readonly #answers: Answers;
  readonly #limit: LogLimit;
  /** Why it is not read from. */
  readonly #held = new Set<"unread" | "unanswered">();
  #frames = 0;
  #frameTimer: Timer | undefined;
  #closeTimer: Timer | undefined;
  /** Nothing more is read: the node has ended its side, or cannot be followed. */
  #ended = false;
  #over = false;

  /** @param socket connected and, with TLS, authenticated on both sides; half open if the node ends its side */
  constructor(socket: Socket, { names, source }: Admitted, parts: Kq1LineParts) {
    super(names);
    this.source = source;
    this.#socket = socket;
    this.#parts = parts;
    this.#limit = LogLimit.of(parts.log, parts.clock);
    this.#deframer = new KqDeframer((frame) => this.#frame(frame));
    this.#answers = new Answers({
      socket,
      clock: parts.clock,
      unreadMs: parts.times.unread,
      hold: (held) => this.#hold("unread", held),
      stalled: () => this.#cut("node reads none of its answers"),
    });
    socket.setNoDelay(true);
    socket.setKeepAlive(true, 10_000);
    socket.on("data", (chunk: Buffer) => this.#data(chunk));
    socket.on("end", () => this.#end());
    socket.on("error", (error) => this.#cut("connection broke", errorCode(error)));
    socket.on("close", () => this.#close());
  }

  override answer(ticket: number, response: SupplyResponse): void {
    const tickets = this.#tickets;
    if (!this.#over) {
      this.#answers.add(tickets.messageId(ticket), tickets.ids, ticket * idBytes, response);
    }
    tickets.giveBack(ticket);
    if (this.keys <= mostKeys / 2 && this.bytes <= mostBytes / 2) this.#hold("unanswered", false);
    if (this.#ended && tickets.size === 0) this.#answers.end();
  }

  /** Sends a message to the node. */
  send(message: Buffer): void {
    if (!this.#over && !this.#ended) this.#answers.send(message);
  }

  /** Ends it within half a second. What has no answer by then gets none: it comes again. */
  close(): void {
    if (this.#over) return;
    this.#ended = true;
    this.#answers.end();
    this.#closeSoon();
  }

  #data(chunk: Buffer): void {
    if (this.#ended || this.#over) return void chunk.fill(0);
    const frames = this.#frames;
    try {
      this.#deframer.push(chunk);
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      const { command: code, message_id: id } = error.facts;
      this.#giveUp(Number(id), Number(code), error.message);
    }
    wipeMemory(chunk);
    this.#parts.turn.came();
    if (this.keys > mostKeys || this.bytes > mostBytes) this.#hold("unanswered", true);
    if (frames !== this.#frames || this.#deframer.pending === 0) this.#forgetFrame();
    this.#watchFrame();
  }

  #frame(frame: KqFrame): void {
    if (this.#ended || this.#over) return;
    if (this.#frames++ === 0) this.#parts.spoke();
    if (frame.command === command.keySupply) return this.#supply(frame);
    if (frame.command === command.keyRequestResponse && this.#parts.responded !== undefined) {
      return this.#parts.responded(this, frame);
    }
    this.#giveUp(frame.messageId, frame.command, "unexpected command of a node");
  }

  #supply({ messageId, bytes, start, end }: KqFrame): void {
    const reader = this.#reader;
    const refusal = reader.read(bytes, start, end);
    if (refusal === undefined) {
      this.#parts.turn.intake.supply(this, this.#tickets.take(messageId, reader.id), reader);
    } else if (refusal.broken) {
      this.#giveUp(messageId, command.keySupply, refusal.why);
    } else {
      this.#limit.warn(this.source, "key refused", { cause: refusal.why });
      this.#answers.add(messageId, reader.hasId ? reader.id : undefined, 0, refusal.reason);
    }
  }

  /** Answers what cannot be followed, if it is a command, and ends the connection after all answers. */
  #giveUp(messageId: number, code: number, cause: string): void {
    this.#limit.warn(this.source, "node cannot be followed", { cause });
    const isResponse = code === command.keySupplyResponse || code === command.keyRequestResponse;
    if (!isResponse) this.#answers.add(messageId, undefined, 0, "invalid_message");
    this.#end();
    if (this.#tickets.size === 0) this.#closeSoon();
  }

  /** Nothing more comes: the connection ends when all that came is answered. */
  #end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#forgetFrame();
    this.#deframer.wipe();
    if (this.#tickets.size === 0) this.#answers.end();
  }

  #hold(why: "unread" | "unanswered", held: boolean): void {
    if (held === this.#held.has(why)) return;
    if (held) this.#held.add(why);
    else this.#held.delete(why);
    if (this.#held.size > 0) {
      this.#socket.pause();
      // What is missing of a frame may have come: it is not looked at.
      this.#forgetFrame();
    } else {
      this.#socket.resume();
      this.#watchFrame();
    }
  }

  #watchFrame(): void {
    if (this.#deframer.pending === 0 || this.#held.size > 0) return;
    const { clock, times } = this.#parts;
    this.#frameTimer ??= clock.after(times.message, () =>
      this.#cut("node does not finish its message"),
    );
  }

  #forgetFrame(): void {
    this.#frameTimer?.cancel();
    this.#frameTimer = undefined;
  }

  #closeSoon(): void {
    this.#closeTimer ??= this.#parts.clock.after(closeTimeout, () => this.#socket.destroy());
  }

  #cut(what: string, cause?: string): void {
    if (this.#over) return;
    this.#limit.warn(this.source, what, { cause });
    this.#socket.destroy();
  }

  #close(): void {
    if (this.#over) return;
    this.#over = true;
    this.#closeTimer?.cancel();
    this.#forgetFrame();
    this.#answers.stop();
    this.#deframer.wipe();
    this.#parts.closed(this);
  }
}
