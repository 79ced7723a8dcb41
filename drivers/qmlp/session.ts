/** The node's side of an open QMLP session: credit, blocks, release, telemetry, commands. */
import type { Clock, Timer } from "../../src/base/clock.ts";
import { describe, Fault } from "../../src/base/errors.ts";
import type { Log } from "../../src/base/log.ts";
import { LogLimit } from "../../src/base/log-limit.ts";
import { type BlockRef, blockName } from "../../src/port/key.ts";
import type {
  LinkQuality,
  ModuleCommand,
  ModuleIdentity,
  ModuleSession,
  ModuleSink,
} from "../../src/port/module.ts";
import type { Link } from "../link/link.ts";
import { type Assembled, Assembly } from "./assembly.ts";
import { decodeRefs, encodeCredit, encodeRefs, refLength } from "./blocks.ts";
import { decodeResult, encodeCommand, statusText } from "./commands.ts";
import { type Frame, type } from "./frame.ts";
import { capability, type Welcome } from "./hello.ts";
import type { Line } from "./line.ts";
import { decodeEvent, decodeTelemetry } from "./telemetry.ts";

/** A module answers a command within this time, ms (QMLP §4). */
const commandTimeout = 10_000;
/** How often a damaged block is asked for again in one session. */
const readsPerBlock = 2;
/** `close` waits this long for what was released to be acknowledged, ms. */
const closeGrace = 500;

interface PendingCommand {
  readonly name: ModuleCommand["name"];
  readonly settle: (fault: Fault | undefined) => void;
  readonly timer: Timer;
}

export interface SessionParts {
  readonly link: Link;
  readonly line: Line;
  readonly welcome: Welcome;
  /** Longest body that may be sent to the module, bytes. */
  readonly maxBody: number;
  readonly sink: ModuleSink;
  readonly clock: Clock;
  readonly log: Log;
}

export class QmlpSession implements ModuleSession {
  readonly identity: ModuleIdentity;
  readonly ended: Promise<Error | undefined>;

  readonly #parts: SessionParts;
  readonly #assembly: Assembly;
  #end!: (error: Error | undefined) => void;
  #closing: Promise<void> | undefined;
  #drained: (() => void) | undefined;

  #granted = { blocks: 0, bytes: 0 };
  #announced = { blocks: 0, bytes: 0 };
  /** What waits to be told to the module, by message type. */
  readonly #lists = new Map<number, BlockRef[]>([
    [type.release, []],
    [type.discard, []],
    [type.read, []],
  ]);
  readonly #commands = new Map<number, PendingCommand>();
  readonly #commandQueue: Buffer[] = [];
  #requests = 0;
  readonly #reads = new Map<string, number>();
  #oddities = 0;
  #over = false;

  constructor(parts: SessionParts) {
    this.#parts = parts;
    this.#assembly = new Assembly(parts.welcome.maxBlock);
    const { moduleId, matchingModuleId, role, vendor, model, serial, firmware, newest } =
      parts.welcome;
    this.identity = {
      moduleId,
      matchingModuleId,
      role,
      vendor,
      model,
      serial,
      firmware,
      protocol: `QMLP ${parts.welcome.version}`,
      maxBlockBytes: parts.welcome.maxBlock,
      ...(newest !== undefined && { newest }),
    };
    this.ended = new Promise((resolve) => {
      this.#end = resolve;
    });
    void parts.link.ended.then((error) => {
      parts.line.stop();
      this.finish(error);
    });
  }

  grant(blocks: number, bytes: number): void {
    this.#granted = {
      blocks: this.#granted.blocks + blocks,
      bytes: this.#granted.bytes + bytes,
    };
    this.#parts.line.scheduleSend();
  }

  release(refs: readonly BlockRef[]): void {
    this.#tell(type.release, refs);
  }

  discard(refs: readonly BlockRef[]): void {
    this.#tell(type.discard, refs);
  }

  read(refs: readonly BlockRef[]): void {
    if (this.#can(capability.read)) this.#tell(type.read, refs);
  }

  command(command: ModuleCommand): Promise<void> {
    const name = command.name;
    if (this.#over) {
      return Promise.reject(new Fault("module.command", `${name}: session is over`));
    }
    if (!this.#can(capability.command)) {
      return Promise.reject(new Fault("module.command", `${name}: module takes no commands`));
    }
    if (this.#commands.size >= 16) {
      return Promise.reject(
        new Fault("module.command", `${name}: too many commands`, { limit: 16 }),
      );
    }
    const request = this.#requests++;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const timer = this.#parts.clock.after(commandTimeout, () => {
      const facts = { limit_ms: commandTimeout };
      this.#settle(request, new Fault("module.command", `${name}: no answer`, facts));
    });
    this.#commands.set(request, {
      name,
      timer,
      settle: (fault) => (fault === undefined ? resolve() : reject(fault)),
    });
    this.#commandQueue.push(encodeCommand(request, command));
    this.#parts.line.scheduleSend();
    return promise;
  }

  quality(): LinkQuality {
    return this.#parts.line.quality();
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /** Settles `ended`; for the line's faults. */
  finish(error: Error | undefined): void {
    this.#over = true;
    this.#assembly.wipe();
    for (const request of [...this.#commands.keys()]) {
      this.#settle(request, new Fault("module.command", "session ended before the answer"));
    }
    this.#drained?.();
    this.#end(error);
    void this.#parts.link.close();
  }

  /** Queues what waits, as far as there is room; called by the line before it sends. */
  refill(room: number): void {
    let left = room;
    const { line, maxBody } = this.#parts;
    if (left > 0 && this.#creditDue()) {
      this.#announced = this.#granted;
      line.queue(type.credit, encodeCredit(this.#announced));
      left--;
    }
    const most = Math.floor(maxBody / refLength);
    for (const [messageType, refs] of this.#lists) {
      while (left > 0 && refs.length > 0) {
        line.queue(messageType, encodeRefs(refs.splice(0, most)));
        left--;
      }
    }
    while (left > 0 && this.#commandQueue.length > 0) {
      line.queue(type.command, this.#commandQueue.shift() as Buffer);
      left--;
    }
    if (this.#drained !== undefined && this.#idle()) this.#drained();
  }

  /** Acts upon a frame. @throws Fault when the module breaks the protocol */
  message(frame: Frame): void {
    const { sink } = this.#parts;
    switch (frame.type) {
      case type.key:
        return this.#assembled(this.#assembly.key(frame.body, this.#announced));
      case type.more:
        return this.#assembled(this.#assembly.more(frame.body));
      case type.released:
        return sink.released(decodeRefs(frame.body, "RELEASED"));
      case type.discarded:
        return sink.released(decodeRefs(frame.body, "DISCARDED"));
      case type.telemetry:
        return this.#harmless(() => sink.telemetry(decodeTelemetry(frame.body)));
      case type.event:
        return this.#harmless(() => sink.event(decodeEvent(frame.body)));
      case type.result: {
        const result = decodeResult(frame.body);
        const text = statusText[result.status] ?? `status ${result.status}`;
        const fault = new Fault("module.command", `module answered: ${text}`);
        if (result.status === 0) this.#done(result.request);
        return this.#settle(result.request, result.status === 0 ? undefined : fault);
      }
      default:
        // Messages that only a node sends: the module has them the wrong way round.
        this.#odd(`unexpected message type ${frame.type}`);
    }
  }

  async #close(): Promise<void> {
    const { line, link, clock } = this.#parts;
    if (!this.#over && !this.#idle()) {
      await new Promise<void>((resolve) => {
        this.#drained = resolve;
        const timer = clock.after(closeGrace, resolve);
        void this.ended.then(() => timer.cancel());
        line.scheduleSend();
      });
    }
    line.send(type.bye, Buffer.from([0]));
    line.stop();
    await link.close();
    this.finish(undefined);
  }

  #idle(): boolean {
    return this.#parts.line.pending === 0 && [...this.#lists.values()].every((l) => l.length === 0);
  }

  #can(bit: number): boolean {
    return (this.#parts.welcome.capabilities & bit) !== 0;
  }

  #tell(messageType: number, refs: readonly BlockRef[]): void {
    this.#lists.get(messageType)?.push(...refs);
    this.#parts.line.scheduleSend();
  }

  /**
   * A CREDIT frame is worth sending when the module has used half of what it was given: one a block
   * would double the frames on the line for small blocks. It is due at once when the longest block
   * would not fit any more: half of the credit may be too little for it for ever.
   */
  #creditDue(): boolean {
    const { receivedBlocks, receivedBytes } = this.#assembly;
    const low = (granted: number, announced: number, used: number, least: number) =>
      granted > announced && (announced - used < least || announced - used <= (granted - used) / 2);
    const { maxBlock } = this.#parts.welcome;
    return (
      low(this.#granted.blocks, this.#announced.blocks, receivedBlocks, 1) ||
      low(this.#granted.bytes, this.#announced.bytes, receivedBytes, maxBlock)
    );
  }

  #assembled(result: Assembled | undefined): void {
    if (result === undefined) return;
    const { sink, clock, log } = this.#parts;
    if (result.block !== undefined) {
      sink.block(result.block);
      return;
    }
    const { facts, damaged } = result;
    const name = blockName(facts.ref);
    const reads = this.#reads.get(name) ?? 0;
    LogLimit.of(log, clock).warn("", "block arrived damaged", { block: name, why: damaged, reads });
    // The block's credit is used up: without giving it back the module would run dry.
    this.grant(1, Math.ceil(facts.bits / 8));
    if (this.#can(capability.read) && reads < readsPerBlock) {
      this.#reads.set(name, reads + 1);
      this.read([facts.ref]);
    } else {
      this.#reads.delete(name);
      sink.damaged(facts, damaged);
    }
  }

  /** A module that has destroyed its key does not send the rest of the block at hand. */
  #done(request: number): void {
    if (this.#commands.get(request)?.name !== "zeroize") return;
    const length = this.#assembly.abandon();
    if (length !== undefined) this.grant(1, length);
  }

  #settle(request: number, fault: Fault | undefined): void {
    const pending = this.#commands.get(request);
    if (pending === undefined) return;
    this.#commands.delete(request);
    pending.timer.cancel();
    pending.settle(fault);
  }

  /** Telemetry and events that can't be read must not stop keys. */
  #harmless(act: () => void): void {
    try {
      act();
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      this.#odd(describe(error));
    }
  }

  #odd(what: string): void {
    this.#oddities++;
    if (this.#oddities === 1) this.#parts.log.warn("module sent what was not understood", { what });
  }
}
