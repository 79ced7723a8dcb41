/**
 * The node's local sockets: one that acts, one that only answers. Who may use which is decided by the
 * kernel, by their modes. Nothing a client does or leaves undone makes the node's memory grow: clients
 * are counted for each socket, a request is one short line with a deadline, answers that are not read are
 * bounded, and what is streamed is made when the client has taken what was there before.
 */
import { chmodSync, createWriteStream, lstatSync, unlinkSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import { pipeline } from "node:stream/promises";
import { type Clock, delay, every, type Timer } from "../../base/clock.ts";
import { describe, errorCode, Fault } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import { LogLimit } from "../../base/log-limit.ts";
import { Effort } from "../../host/door/effort.ts";
import { threadMs } from "../../host/life/thread-time.ts";
import { type ClientLimits, Clients } from "./clients.ts";
import { LineReader } from "./lines.ts";
import { longestSocketPath, proofFolder, readSocket } from "./paths.ts";
import { ProofFolder } from "./proof.ts";
import {
  type AnswerLine,
  isAct,
  LocalError,
  type LocalRequest,
  longestAnswer,
  longestRequest,
  parseRequest,
  protocolVersion,
} from "./protocol.ts";

/** By the socket that was used: only look; what the maintenance console may do; everything. */
export type Role = "look" | "maintain" | "act";

/** Who asks. */
export interface Caller {
  readonly role: Role;
  /**
   * Has them prove who they are.
   * @returns their uid; undefined where the node cannot have it proved
   * @throws LocalError if they do not
   */
  readonly peer: () => Promise<number | undefined>;
  /**
   * Has them send what they announced, into a file.
   * @throws LocalError if they do not; a system error
   */
  readonly receive: (
    bytes: number,
    file: string,
    onBytes: (received: number) => void,
  ) => Promise<void>;
}

/** An answer at once, or one that goes on: `next` gives what is new, or nothing. */
export type LocalAnswer =
  | { readonly data: unknown }
  | { readonly everyMs: number; readonly next: () => unknown };

export interface LocalServerOptions {
  /** The control socket's path. */
  readonly path: string;
  readonly act: "owner" | "group";
  readonly read: "owner" | "group" | "all";
  /** The maintenance console's own socket; who may use it is decided by the folder it is in. */
  readonly maintenance?: string | undefined;
  /** @throws LocalError */
  readonly answer: (request: LocalRequest, caller: Caller) => Promise<LocalAnswer>;
  readonly clock: Clock;
  /** What was spent of a processor so far, ms; default: by this thread. */
  readonly processor?: () => number;
  readonly log: Log;
}

/** Clients at once, by the socket. */
const limits: Readonly<Record<Role, ClientLimits>> = {
  act: { silent: 64, asking: 32, looking: 24, following: 16 },
  look: { silent: 64, asking: 32, looking: 32, following: 24 },
  maintain: { silent: 16, asking: 8, looking: 6, following: 4 },
};
/** A request is there within this time, and a client takes something of an answer, ms. */
const patience = 10_000;
/** A client that is refused, or sends more than one request, is cut off after this time, ms. */
const refusal = 1_000;
/** All of an upload is there within this time, ms. */
const longestUpload = 1_800_000;
/** Answers of one socket that are not read yet, bytes; a longer one is alone. */
const mostUnread = 4_194_304;
/** What it takes to answer who only looks, for each socket; and how long a request waits for it, ms. */
const effort = { burstMs: 500, share: 0.2 } as const;
const longestWait = 5_000;

const modes = { owner: 0o600, group: 0o660, all: 0o666 } as const;

export class LocalServer {
  readonly #options: LocalServerOptions;
  readonly #servers: { readonly server: Server; readonly path: string }[] = [];
  readonly #clients: Readonly<Record<Role, Clients>> = {
    act: new Clients(limits.act),
    look: new Clients(limits.look),
    maintain: new Clients(limits.maintain),
  };
  readonly #effort: Effort;
  readonly #limit: LogLimit;
  #proofs: ProofFolder | undefined;

  constructor(options: LocalServerOptions) {
    this.#options = options;
    this.#effort = new Effort(effort, options.clock, options.processor ?? threadMs);
    this.#limit = LogLimit.of(options.log, options.clock);
  }

  /** @throws Fault `link.open` if the sockets cannot be made; nothing is left then */
  async listen(): Promise<void> {
    const { path, act, read, maintenance, log } = this.#options;
    const length = Buffer.byteLength(path);
    if (length > longestSocketPath) {
      const facts = { length, limit: longestSocketPath };
      throw new Fault("link.open", "path of the local socket is too long: set local.socket", facts);
    }
    try {
      await this.#open(path, modes[act], "act");
      await this.#open(readSocket(path), modes[read], "look");
      this.#proofs = this.#openProofs(path);
    } catch (error) {
      await this.close();
      throw error;
    }
    log.debug("local socket", { path });
    // Without a console all else goes on.
    if (maintenance === undefined) return;
    await this.#open(maintenance, modes.group, "maintain").catch((error) =>
      log.warn("no maintenance console", { why: describe(error) }),
    );
  }

  /** Without it actions are carried out all the same: their audit does not say who it was. */
  #openProofs(path: string): ProofFolder | undefined {
    try {
      return new ProofFolder(proofFolder(path));
    } catch (error) {
      this.#options.log.warn("the audit of local actions cannot say who it was", {
        why: describe(error),
      });
      return undefined;
    }
  }

  /** Ends all connections, and removes the sockets. Any number of times. */
  async close(): Promise<void> {
    for (const clients of Object.values(this.#clients)) clients.close();
    const closed = this.#servers.splice(0).map(
      // Node removes the socket's file itself.
      ({ server }) => new Promise<void>((resolve) => server.close(() => resolve())),
    );
    await Promise.all(closed);
    this.#proofs?.close();
    this.#proofs = undefined;
  }

  async #open(path: string, mode: number, role: Role): Promise<void> {
    await removeStale(path);
    const server = createServer({ allowHalfOpen: true }, (socket) => this.#serve(socket, role));
    try {
      await new Promise<void>((resolve, reject) => {
        server.once("error", reject);
        server.listen(path, resolve);
      });
      // Until here its mode was narrower, as long as the umask keeps writing to the owner.
      chmodSync(path, mode);
    } catch (error) {
      server.close();
      throw new Fault("link.open", `cannot make the local socket: ${errorCode(error)}`, { path });
    }
    server.on("error", (error) => this.#limit.warn(path, "local", { why: describe(error) }));
    this.#servers.push({ server, path });
  }

  #serve(socket: Socket, role: Role): void {
    socket.on("error", () => socket.destroy());
    const { clock } = this.#options;
    this.#clients[role].enter(socket);
    // Counted anew from each answer that the client does not take.
    let deadline = clock.after(patience, () => socket.destroy());
    const renew = (ms = patience) => {
      deadline.cancel();
      deadline = clock.after(ms, () => socket.destroy());
      return deadline;
    };
    socket.on("close", () => deadline.cancel());
    const lines = new LineReader(socket, longestRequest);
    void lines.read().then((text) => {
      deadline.cancel();
      if (text === undefined) return socket.destroy();
      // Further input is not read: the client gets the answer, and no more.
      socket.on("finish", () => lines.isFlooded && renew(refusal));
      const caller: Caller = {
        role,
        peer: () => this.#identify(socket, lines, renew),
        receive: async (bytes, file, onBytes) => {
          renew();
          const end = clock.after(longestUpload, () => socket.destroy());
          socket.write(line({ take: bytes }));
          await receive(lines, bytes, file, (received) => {
            renew();
            onBytes(received);
          }).finally(() => {
            end.cancel();
            renew().cancel();
          });
        },
      };
      return void this.#answer(socket, lines.isTooLong ? undefined : text, caller, renew);
    });
  }

  /** Has the client prove who it is. @throws LocalError if it does not */
  async #identify(socket: Socket, lines: LineReader, renew: Renew): Promise<number | undefined> {
    if (this.#proofs === undefined) return undefined;
    const path = this.#proofs.challenge();
    const deadline = renew();
    socket.write(line({ prove: path }));
    await lines.read();
    deadline.cancel();
    const uid = this.#proofs.check(path);
    if (uid === undefined) throw new LocalError("not_permitted", "you did not prove who you are");
    return uid;
  }

  /** @param text undefined: the request is too long */
  async #answer(
    socket: Socket,
    text: string | undefined,
    caller: Caller,
    renew: Renew,
  ): Promise<void> {
    try {
      if (text === undefined) throw tooLong();
      const request = parseRequest(text);
      const answer = await this.#ask(socket, request, caller);
      if (socket.destroyed) return;
      if ("data" in answer) {
        renew();
        socket.end(this.#bounded(line({ data: answer.data }), caller.role));
      } else {
        if (!this.#clients[caller.role].follow(socket)) throw tooMany();
        this.#stream(socket, caller.role, answer, renew);
      }
    } catch (error) {
      if (socket.destroyed) return;
      if (!(error instanceof LocalError)) {
        this.#limit.warn(caller.role, "local", { why: describe(error) });
      }
      const { code, message } =
        error instanceof LocalError ? error : new LocalError("internal", "internal error");
      if (code === "busy" && !this.#clients[caller.role].refuse(socket)) {
        socket.destroy();
        return;
      }
      renew(code === "busy" ? refusal : patience);
      socket.end(line({ error: { code, message } }));
    }
  }

  /** @throws LocalError, also if there are too many others */
  async #ask(socket: Socket, request: LocalRequest, caller: Caller): Promise<LocalAnswer> {
    const { answer, clock } = this.#options;
    const { role } = caller;
    const acts = isAct(request.do) && role !== "look";
    if (!this.#clients[role].ask(socket, acts ? "act" : "look")) throw tooMany();
    if (acts) return answer(request, caller);
    const wait = this.#effort.wait(role);
    if (wait > longestWait) throw tooMany();
    if (wait > 0) await delay(clock, wait);
    if (this.#clients[role].unread >= mostUnread) throw tooMany();
    return this.#effort.measure(role, () => answer(request, caller));
  }

  /** What is too long to be sent, or to be kept beside what others do not read, is told to be. */
  #bounded(text: string, role: Role): string {
    if (text.length > longestAnswer) {
      return line({ error: { code: "internal", message: "answer too long" } });
    }
    const { unread } = this.#clients[role];
    return unread > 0 && unread + text.length > mostUnread
      ? line({ error: { code: "busy", message: "others do not read their answers" } })
      : text;
  }

  #stream(socket: Socket, role: Role, { everyMs, next }: Following, renew: Renew): void {
    let waiting: Timer | undefined;
    const tell = () => {
      // Nothing is made for a client that has not taken what it was given.
      if (socket.writableNeedDrain) return;
      const text = this.#effort.measure(role, () => {
        const data = next();
        return data === undefined ? undefined : this.#bounded(line({ data, more: true }), role);
      });
      if (text !== undefined && !socket.write(text)) waiting = renew();
    };
    socket.on("drain", () => waiting?.cancel());
    const timer = every(this.#options.clock, everyMs, () => {
      try {
        tell();
      } catch {
        socket.destroy();
      }
    });
    socket.on("close", () => timer.cancel());
    socket.on("end", () => socket.destroy());
    tell();
  }
}

type Renew = (ms?: number) => Timer;
type Following = Extract<LocalAnswer, { readonly everyMs: number }>;

function tooLong(): LocalError {
  return new LocalError("bad_request", `the request is longer than ${longestRequest} bytes`);
}

function tooMany(): LocalError {
  return new LocalError("busy", "too many clients");
}

/** @throws LocalError if fewer come; a system error */
async function receive(
  lines: LineReader,
  bytes: number,
  file: string,
  onBytes: (received: number) => void,
): Promise<void> {
  let received = 0;
  await pipeline(
    lines.bytes(bytes),
    async function* (chunks: AsyncIterable<Buffer>) {
      for await (const chunk of chunks) {
        received += chunk.length;
        onBytes(received);
        yield chunk;
      }
    },
    createWriteStream(file, { mode: 0o600, flush: true }),
  );
  if (received < bytes) throw new LocalError("bad_request", "less came than was announced");
}

function line(answer: Omit<AnswerLine, "v">): string {
  return `${JSON.stringify({ v: protocolVersion, ...answer })}\n`;
}

/** Removes the socket that a process left behind which did not end in order. @throws Fault */
async function removeStale(path: string): Promise<void> {
  const stats = lstatSync(path, { throwIfNoEntry: false });
  if (stats === undefined) return;
  if (!stats.isSocket())
    throw new Fault("link.open", "local socket: another file is there", { path });
  const alive = await new Promise<boolean>((resolve) => {
    const probe = connect(path, () => {
      probe.destroy();
      resolve(true);
    });
    probe.on("error", (error) => resolve(errorCode(error) !== "ECONNREFUSED"));
  });
  if (alive) throw new Fault("link.open", "local socket: another process has it", { path });
  unlinkSync(path);
}
