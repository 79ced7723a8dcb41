/** One connection of a node that tells how its modules are (Kq-2): what comes is decided in `nodes/told.ts`. */
import type { TLSSocket } from "node:tls";
import { Bucket } from "../../base/bucket.ts";
import type { Clock, Timer } from "../../base/clock.ts";
import { describe, errorCode, Fault } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import { LogLimit } from "../../base/log-limit.ts";
import { KqDeframer, type KqFrame } from "../../wire/kq1/frame.ts";
import { frameOf } from "../../wire/kq2/frame.ts";
import { command, times } from "../../wire/kq2/names.ts";
import { encodeResponse, type StatusResponse } from "../../wire/kq2/status.ts";
import type { ModulesTold } from "../nodes/told.ts";
import { Answers } from "./answers.ts";
import type { Admitted } from "./tls-door.ts";

export interface Kq2LineParts {
  readonly told: ModulesTold;
  readonly clock: Clock;
  readonly log: Log;
  readonly closed: (line: Kq2Line) => void;
}

/** Messages of a connection that are read; those beyond are answered `busy` unread. */
const allowance = { burst: 64, refillMs: 50 } as const;
/** A node takes some of the answers that wait for it within this, ms. */
const unreadMs = 10_000;
/** A socket that takes bytes closes in this time, ms; else it is destroyed. */
const closeTimeout = 500;

export class Kq2Line {
  readonly names: readonly string[] | undefined;
  readonly #socket: TLSSocket;
  readonly #parts: Kq2LineParts;
  readonly #source: string;
  readonly #deframer = new KqDeframer((frame) => this.#frame(frame), "kq2.frame");
  readonly #answers: Answers;
  readonly #limit: LogLimit;
  readonly #bucket: Bucket;
  #frameTimer: Timer | undefined;
  #silenceTimer: Timer | undefined;
  #closeTimer: Timer | undefined;
  #frames = 0;
  /** Nothing more is read. */
  #ended = false;
  #over = false;

  /** @param socket authenticated on both sides; this line's from now on */
  constructor(socket: TLSSocket, { names, source }: Admitted, parts: Kq2LineParts) {
    this.names = names;
    this.#socket = socket;
    this.#source = source;
    this.#parts = parts;
    const { clock, log } = parts;
    this.#limit = LogLimit.of(log, clock);
    this.#bucket = new Bucket(allowance, clock.now());
    this.#answers = new Answers({
      socket,
      clock,
      unreadMs,
      hold: (held) => void (held ? socket.pause() : socket.resume()),
      stalled: () => this.#cut(new Fault("kq2.timeout", "node reads none of its answers")),
    });
    socket.setNoDelay(true);
    socket.setKeepAlive(true, 10_000);
    socket.on("data", (chunk: Buffer) => this.#data(chunk));
    socket.on("end", () => this.#end());
    socket.on("error", (error) => {
      this.#cut(
        new Fault("kq2.closed", "connection broke", { cause: errorCode(error) ?? "other" }),
      );
    });
    socket.on("close", () => this.#close());
    this.#watchSilence();
    parts.told.opened(this);
  }

  /** Ends it within half a second. */
  close(): void {
    this.#end();
  }

  #data(chunk: Buffer): void {
    if (this.#ended) return;
    const frames = this.#frames;
    try {
      this.#deframer.push(chunk);
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      this.#parts.told.refuse("invalid_message");
      return this.#cut(error);
    }
    if (frames !== this.#frames) this.#watchSilence();
    if (frames !== this.#frames || this.#deframer.pending === 0) this.#forgetFrame();
    if (this.#deframer.pending === 0 || this.#ended) return;
    this.#frameTimer ??= this.#parts.clock.after(times.message, () =>
      this.#cut(new Fault("kq2.timeout", "node does not finish its message")),
    );
  }

  /** @throws Fault `kq2.frame` */
  #frame({ messageId, command: code, payload }: KqFrame): void {
    if (this.#ended) return;
    this.#frames++;
    if (code !== command.status) {
      throw new Fault("kq2.frame", "unexpected command of a node", { command: code });
    }
    const { told, clock } = this.#parts;
    if (!this.#bucket.take(clock.now())) return this.#answer(messageId, told.refuse("busy"));
    try {
      const response = told.heard(this, payload);
      if (response !== "success") this.#warn("status refused", response);
      this.#answer(messageId, response);
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      this.#warn("status refused", describe(error));
      this.#answer(messageId, "invalid_message");
      this.#end();
    }
  }

  #answer(messageId: number, response: StatusResponse): void {
    this.#answers.send(frameOf(messageId, command.statusResponse, encodeResponse(response)));
  }

  #watchSilence(): void {
    this.#silenceTimer?.cancel();
    this.#silenceTimer = this.#parts.clock.after(times.stale, () =>
      this.#cut(new Fault("kq2.timeout", "node tells nothing any more")),
    );
  }

  #forgetFrame(): void {
    this.#frameTimer?.cancel();
    this.#frameTimer = undefined;
  }

  /** Nothing more is read; it ends when the answers are out. */
  #end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#forgetFrame();
    this.#answers.end();
    this.#closeTimer = this.#parts.clock.after(closeTimeout, () => this.#socket.destroy());
  }

  #cut(why: Fault): void {
    if (this.#over || this.#ended) return;
    this.#ended = true;
    this.#warn("connection of Kq-2 ended", describe(why));
    this.#socket.destroy();
  }

  #warn(message: string, cause: string): void {
    this.#limit.warn(this.#source, message, { cause });
  }

  #close(): void {
    if (this.#over) return;
    this.#over = true;
    this.#ended = true;
    this.#silenceTimer?.cancel();
    this.#closeTimer?.cancel();
    this.#forgetFrame();
    this.#answers.stop();
    this.#parts.told.closed(this);
    this.#parts.closed(this);
  }
}

/** The connections of Kq-2 that come in by the doors of Kq-1. */
export class Kq2Lines {
  readonly #parts: Omit<Kq2LineParts, "closed">;
  readonly #open = new Set<Kq2Line>();

  constructor(parts: Omit<Kq2LineParts, "closed">) {
    this.#parts = parts;
  }

  /** @param socket whose client asked for Kq-2, and was let in */
  open(socket: TLSSocket, admitted: Admitted): void {
    const closed = (line: Kq2Line) => void this.#open.delete(line);
    this.#open.add(new Kq2Line(socket, admitted, { ...this.#parts, closed }));
  }

  /** Ends all of them within half a second. */
  close(): void {
    for (const line of this.#open) line.close();
  }
}
