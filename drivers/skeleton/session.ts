/** A session with a module: the part of a driver that keeps the promises of `drivers/README.md`. */
import { hash } from "node:crypto";
import { type Clock, every, type Timer, within } from "../../src/base/clock.ts";
import { Fault } from "../../src/base/errors.ts";
import { type BlockRef, KeyBlock, keyMemory } from "../../src/port/key.ts";
import type {
  DriverContext,
  LinkQuality,
  ModuleCommand,
  ModuleIdentity,
  ModuleSession,
  ModuleSink,
} from "../../src/port/module.ts";
import type { Link, LinkFactory } from "../link/link.ts";
import {
  blockHeadLength,
  decodeBlock,
  decodeRef,
  encodeCommand,
  encodeRef,
  malformed,
  message,
  need,
  Splitter,
  type,
} from "./messages.ts";

const aliveEvery = 500;
const deadAfter = 2_000;
const helloTimeout = 3_000;
const commandTimeout = 10_000;
/** Commands that may wait for their answer. */
const maxCommands = 16;

/**
 * Opens the link and has the module say who it is.
 * @throws Fault; nothing is left open then
 */
export async function connect(
  factory: LinkFactory,
  { clock }: DriverContext,
  sink: ModuleSink,
  signal: AbortSignal,
): Promise<ModuleSession> {
  const source = factory.where;
  const greeted = Promise.withResolvers<ModuleIdentity>();
  greeted.promise.catch(() => {});
  let session: Session | undefined;
  const splitter = new Splitter((messageType, payload) => {
    if (session !== undefined) session.message(messageType, payload);
    else if (messageType === type.identity) greeted.resolve(readIdentity(payload));
  });
  const link = await factory.open((chunk) => {
    try {
      splitter.push(chunk);
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      greeted.reject(error);
      session?.finish(error);
    }
  }, signal);
  const stop = () => greeted.reject(new Fault("stopped", "connecting was stopped", { source }));
  signal.addEventListener("abort", stop, { once: true });
  void link.ended.then((error) => greeted.reject(error ?? new Fault("link.closed", "closed")));
  try {
    link.write(message(type.hello));
    const late = () =>
      new Fault("qmlp.timeout", "no module answers", { source, limit_ms: helloTimeout });
    const identity = await within(clock, helloTimeout, greeted.promise, late);
    session = new Session(link, splitter, identity, sink, clock, source);
    return session;
  } catch (error) {
    await link.close();
    throw error;
  } finally {
    signal.removeEventListener("abort", stop);
  }
}

function readIdentity(payload: Buffer): ModuleIdentity {
  need(payload, 6);
  const [moduleId = "", matchingModuleId = ""] = payload.toString("utf8", 5).split("\n");
  if (moduleId.length < 1 || moduleId.length > 128) throw malformed("module ID");
  return {
    moduleId,
    matchingModuleId,
    role: payload[0] === 0 ? "alice" : "bob",
    vendor: "",
    model: "",
    serial: "",
    firmware: "",
    protocol: "skeleton 1",
    maxBlockBytes: payload.readUInt32LE(1),
  };
}

class Session implements ModuleSession {
  readonly identity: ModuleIdentity;
  readonly ended: Promise<Error | undefined>;
  readonly #link: Link;
  readonly #splitter: Splitter;
  readonly #sink: ModuleSink;
  readonly #clock: Clock;
  readonly #source: string;
  #end!: (error: Error | undefined) => void;
  #over = false;
  #heardAt: number;
  readonly #alive: Timer;
  #credit = { blocks: 0, bytes: 0 };
  readonly #commands: ((fault: Fault | undefined) => void)[] = [];
  #received = 0;
  #sent = 0;

  constructor(
    link: Link,
    splitter: Splitter,
    identity: ModuleIdentity,
    sink: ModuleSink,
    clock: Clock,
    source: string,
  ) {
    this.#link = link;
    this.#splitter = splitter;
    this.identity = identity;
    this.#sink = sink;
    this.#clock = clock;
    this.#source = source;
    this.ended = new Promise((resolve) => {
      this.#end = resolve;
    });
    this.#heardAt = clock.now();
    // A module that died without a word is noticed: silence is not the same as nothing to say.
    this.#alive = every(clock, aliveEvery, () => {
      if (clock.now() - this.#heardAt >= deadAfter) {
        const facts = { source, limit_ms: deadAfter };
        this.finish(new Fault("link.stalled", "module is silent", facts));
      } else {
        this.#send(type.alive);
      }
    });
    void link.ended.then((error) => this.finish(error));
  }

  grant(blocks: number, bytes: number): void {
    if (this.#over) return;
    this.#credit.blocks += blocks;
    this.#credit.bytes += bytes;
    const payload = Buffer.alloc(8);
    payload.writeUInt32LE(blocks, 0);
    payload.writeUInt32LE(Math.min(bytes, 0xffff_ffff), 4);
    this.#send(type.credit, payload);
  }

  release(refs: readonly BlockRef[]): void {
    for (const ref of refs) this.#send(type.release, encodeRef(ref));
  }

  discard(refs: readonly BlockRef[]): void {
    for (const ref of refs) this.#send(type.discard, encodeRef(ref));
  }

  read(refs: readonly BlockRef[]): void {
    for (const ref of refs) this.#send(type.read, encodeRef(ref));
  }

  async command(command: ModuleCommand): Promise<void> {
    const fault = (what: string) => new Fault("module.command", `${command.name}: ${what}`);
    if (this.#over) throw fault("session is over");
    if (this.#commands.length >= maxCommands) throw fault("too many commands");
    const answered = new Promise<void>((resolve, reject) => {
      this.#commands.push((refusal) => (refusal === undefined ? resolve() : reject(refusal)));
    });
    this.#send(type.command, encodeCommand(command));
    await within(this.#clock, commandTimeout, answered, () => fault("no answer"));
  }

  quality(): LinkQuality {
    return {
      framesReceived: this.#received,
      framesSent: this.#sent,
      bytesReceived: 0,
      bytesSent: 0,
      framesBad: 0,
      framesResent: 0,
    };
  }

  close(): Promise<void> {
    this.finish(undefined);
    return this.#link.close();
  }

  /** The session is over: the first call counts. */
  finish(error: Error | undefined): void {
    if (this.#over) return;
    this.#over = true;
    this.#alive.cancel();
    this.#splitter.wipe();
    const fault = new Fault("module.command", "session ended before the answer");
    for (const settle of this.#commands.splice(0)) settle(fault);
    this.#end(error);
    void this.#link.close();
  }

  /** Acts upon a message. @throws Fault when the module breaks the protocol */
  message(messageType: number, payload: Buffer): void {
    if (this.#over) return;
    this.#heardAt = this.#clock.now();
    this.#received++;
    switch (messageType) {
      case type.block:
        return this.#block(payload);
      case type.gone:
        return this.#sink.released([decodeRef(payload)]);
      case type.sample: {
        need(payload, 8);
        const qber = payload.readDoubleLE(0);
        if (qber >= 0 && qber <= 0.5) this.#sink.telemetry({ values: { qber } });
        return;
      }
      case type.done: {
        need(payload, 1);
        const refusal = new Fault("module.command", "module refused", { status: payload[0] ?? 0 });
        return this.#commands.shift()?.(payload[0] === 0 ? undefined : refusal);
      }
      default:
      // A module may learn to say more; what is not known does no harm.
    }
  }

  #block(payload: Buffer): void {
    const { facts, hash: said } = decodeBlock(payload);
    const bytes = keyMemory(payload.length - blockHeadLength);
    payload.copy(bytes, 0, blockHeadLength);
    payload.fill(0);
    this.#credit.blocks--;
    this.#credit.bytes -= bytes.length;
    if (this.#credit.blocks < 0 || this.#credit.bytes < 0) {
      bytes.fill(0);
      throw new Fault("qmlp.message", "block without credit", { source: this.#source });
    }
    if (!hash("sha256", bytes, "buffer").equals(said)) {
      bytes.fill(0);
      this.#sink.damaged(facts, "hash mismatch");
      return;
    }
    this.#sink.block(new KeyBlock(facts, bytes));
  }

  #send(messageType: number, payload?: Buffer): void {
    if (this.#over) return;
    this.#sent++;
    this.#link.write(message(messageType, payload));
  }
}
