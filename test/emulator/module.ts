/**
 * The module's side of QMLP, without I/O: bytes come in, bytes go out, time is passed in. It keeps
 * every block until the node releases it, whatever happens to the line.
 */
import { Arq } from "../../drivers/qmlp/arq.ts";
import {
  type BlockCheck,
  decodeCredit,
  decodeRefs,
  encodeKeyHeader,
  encodeRefs,
  keyHeaderWithUuid,
} from "../../drivers/qmlp/blocks.ts";
import { checkOf } from "../../drivers/qmlp/check.ts";
import { decodeCommand, encodeResult, status } from "../../drivers/qmlp/commands.ts";
import { Deframer } from "../../drivers/qmlp/deframer.ts";
import {
  carriesKey,
  type Frame,
  flagShortCrc,
  isKnown,
  isReliable,
  type,
  wireBound,
  writeFrame,
} from "../../drivers/qmlp/frame.ts";
import {
  allCapabilities,
  capability,
  decodeHello,
  encodeRefuse,
  encodeWelcome,
  type Hello,
  protocolVersion,
} from "../../drivers/qmlp/hello.ts";
import { liveness } from "../../drivers/qmlp/line.ts";
import { encodeEvent, encodeTelemetry } from "../../drivers/qmlp/telemetry.ts";
import type { Timer } from "../../src/base/clock.ts";
import { Fault } from "../../src/base/errors.ts";
import { type BlockFacts, wipeMemory } from "../../src/port/key.ts";
import type { ModuleEvent } from "../../src/port/module.ts";
import type { EmulatedIdentity, ModuleOptions } from "./module-options.ts";
import { type BlockHistory, BlockStore, type HeldBlock } from "./store.ts";

/** Longest block, bytes. */
const maxBlock = 1_048_576;
const receiveWindow = 64;
/** The module takes bodies of this length. */
const moduleMaxBody = 65_536;
const maxUntold = 16;

export class EmulatedModule {
  identity: EmulatedIdentity;
  /** Whether a self-test finds nothing. */
  healthy = true;
  /** Whether it distils; START and STOP change it. */
  running = true;
  /** bit/s the node asked for; 0: as much as possible. */
  targetKeyRate = 0;
  zeroized = false;

  readonly #options: ModuleOptions;
  readonly #deframer: Deframer;
  #arq: Arq | undefined;
  #state: "idle" | "greeted" | "open" = "idle";
  #nonce: Buffer | undefined;
  #body = 0;
  #check: BlockCheck = "sha-256";
  /** Of frames with key: {@link flagShortCrc} where the node takes it. */
  #keyFlags = 0;
  readonly #store: BlockStore;
  #credit = { blocks: 0, bytes: 0 };
  #used = { blocks: 0, bytes: 0 };
  #sending: { readonly held: HeldBlock; at: number } | undefined;
  /** Frames to be queued before any key: answers, events. */
  #urgent: { readonly type: number; readonly body: Buffer }[] = [];
  /** Events of a time without a session. */
  readonly #untold: { readonly type: number; readonly body: Buffer }[] = [];
  #heardAt = 0;
  #sentAt = 0;
  #telemetryMs = 1_000;
  #telemetryAt = 0;
  #timer: Timer | undefined;

  constructor(options: ModuleOptions) {
    this.#options = options;
    this.identity = options.identity;
    this.#store = new BlockStore(options.maxBlocks ?? 4_096);
    this.#deframer = new Deframer(moduleMaxBody, (frame) => this.#frame(frame));
  }

  get state(): "idle" | "greeted" | "open" {
    return this.#state;
  }

  /** Everything it ever distilled, by block name, oldest first. */
  get history(): Map<string, BlockHistory> {
    return this.#store.history;
  }

  get heldBlocks(): number {
    return this.#store.size;
  }

  get heldBits(): number {
    return this.#store.bits;
  }

  get heldNames(): string[] {
    return this.#store.names();
  }

  get fill(): number {
    return this.#store.fill;
  }

  /** Stores a block that the pair distilled. @returns false if there is no room */
  distill(facts: BlockFacts, bytes: Buffer): boolean {
    const stored = this.#store.add(facts, bytes);
    this.pump();
    return stored;
  }

  /** @see BlockStore.digest */
  digest(name: string, secret: Buffer): string | undefined {
    return this.#store.digest(name, secret);
  }

  /** Bytes from the line. */
  push(chunk: Buffer): void {
    this.#deframer.push(chunk);
    this.pump();
  }

  /** A power cycle: the session is forgotten, the keys are not. */
  reset(): void {
    this.#idle();
  }

  /** Destroys all key and stops, as on the command. */
  zeroize(): void {
    this.zeroized = true;
    this.running = false;
    this.#wipeAll();
  }

  /** Told in the session at hand, or in the next; the oldest of too many are forgotten. */
  event(event: ModuleEvent): void {
    const message = { type: type.event, body: encodeEvent(event, this.#options.clock.wall()) };
    if (this.#state === "idle") {
      this.#untold.push(message);
      if (this.#untold.length > maxUntold) this.#untold.shift();
      return;
    }
    this.#urgent.push(message);
    this.pump();
  }

  /** Wipes everything and stops; for the end of the emulation. */
  close(): void {
    this.#idle();
    this.#wipeAll();
  }

  /** Sends what may be sent. To be called again when the line has room. */
  pump(): void {
    const arq = this.#arq;
    if (this.#state !== "open" || arq === undefined) return;
    const { clock, line } = this.#options;
    const now = clock.now();
    if (now - this.#heardAt >= liveness.deadAfter) {
      this.#idle();
      return;
    }
    arq.pump(now, 0);
    while (line.backlog() < line.lowWater) {
      if (!arq.ready && arq.room > 0) this.#queueNext(arq);
      if (arq.pump(clock.now(), 1) === 0) break;
    }
    if (this.#telemetryMs > 0 && now - this.#telemetryAt >= this.#telemetryMs) {
      this.#telemetryAt = now;
      this.#send(type.telemetry, encodeTelemetry(this.#options.telemetry()));
    } else if (now - this.#sentAt >= liveness.pingAfter) {
      this.#send(type.ping, Buffer.alloc(4));
    }
    this.#arm(arq, now);
  }

  #arm(arq: Arq, now: number): void {
    const telemetry =
      this.#telemetryMs > 0 ? this.#telemetryAt + this.#telemetryMs : Number.POSITIVE_INFINITY;
    const due = Math.min(
      arq.due,
      this.#sentAt + liveness.pingAfter,
      this.#heardAt + liveness.deadAfter,
      telemetry,
    );
    this.#timer?.cancel();
    this.#timer = this.#options.clock.after(Math.max(1, due - now), () => this.pump());
  }

  /** Queues the next reliable frame: answers first, then the block at hand, then the next block. */
  #queueNext(arq: Arq): void {
    const urgent = this.#urgent.shift();
    if (urgent !== undefined) {
      arq.queue(urgent.type, urgent.body);
      return;
    }
    if (this.#sending === undefined) this.#beginBlock(arq);
    else this.#continueBlock(arq, this.#sending);
  }

  #beginBlock(arq: Arq): void {
    const held = this.#store.next();
    if (held === undefined) return;
    const blocks = this.#used.blocks + 1;
    const bytes = this.#used.bytes + held.bytes.length;
    if (blocks > this.#credit.blocks || bytes > this.#credit.bytes) return;
    this.#used = { blocks, bytes };
    this.#store.sent(held);
    held.history.offers++;
    const value = (this.#options.checkOf ?? checkOf)(this.#check, held.bytes);
    const header = encodeKeyHeader(held.history.facts, value, this.#check);
    const first = Math.min(held.bytes.length, Math.max(0, this.#body - keyHeaderWithUuid));
    arq.queue(type.key, Buffer.concat([header, held.bytes.subarray(0, first)]));
    if (first < held.bytes.length) this.#sending = { held, at: first };
  }

  #continueBlock(arq: Arq, sending: { readonly held: HeldBlock; at: number }): void {
    const { bytes } = sending.held;
    const end = Math.min(bytes.length, sending.at + this.#body);
    arq.queue(type.more, Buffer.from(bytes.subarray(sending.at, end)));
    sending.at = end;
    if (end === bytes.length) this.#sending = undefined;
  }

  #frame(frame: Frame): void {
    try {
      if (frame.type === type.hello) {
        this.#hello(decodeHello(frame.body));
        return;
      }
      if (this.#state === "idle" || this.#arq === undefined) return;
      // A frame with the wrong R flag is ignored (QMLP §4).
      if (isKnown(frame.type) && frame.reliable !== isReliable(frame.type)) return;
      this.#heardAt = this.#options.clock.now();
      this.#state = "open";
      if (this.#arq.receive(frame, this.#heardAt)) this.#message(frame);
    } catch (error) {
      // The module ignores what it can't read; the node will notice the silence.
      if (!(error instanceof Fault)) throw error;
    }
  }

  #hello(hello: Hello): void {
    const { nonce } = hello;
    if (this.#nonce?.equals(nonce) !== true) {
      this.#idle();
      const refused = this.zeroized
        ? 3
        : hello.versionMin > protocolVersion || hello.versionMax < protocolVersion
          ? 1
          : 0;
      if (refused !== 0) {
        const versions = { versionMin: protocolVersion, versionMax: protocolVersion };
        this.#send(type.refuse, encodeRefuse({ nonce, reason: refused, ...versions }));
        return;
      }
      this.#nonce = nonce;
      this.#state = "greeted";
      this.#urgent = this.#untold.splice(0);
      this.#body = Math.min(hello.maxBody, moduleMaxBody);
      const { check = "sha-256" } = this.#options;
      this.#check = (hello.capabilities & capability.gmac) === 0 ? "sha-256" : check;
      this.#keyFlags = (hello.capabilities & capability.shortCrc) === 0 ? 0 : flagShortCrc;
      this.#heardAt = this.#options.clock.now();
      this.#arq = new Arq(hello.window, receiveWindow, (messageType, flags, seq, ack, body) =>
        this.#write(messageType, flags, seq, ack, body),
      );
    }
    this.#send(
      type.welcome,
      encodeWelcome({
        ...this.identity,
        version: protocolVersion,
        window: receiveWindow,
        maxBody: moduleMaxBody,
        nonce,
        capabilities: allCapabilities,
        maxBlock,
        newest: this.#store.newest(),
      }),
    );
  }

  #message(frame: Frame): void {
    switch (frame.type) {
      case type.credit:
        this.#credit = decodeCredit(frame.body);
        return;
      case type.release:
      case type.discard:
        this.#letGo(frame);
        return;
      case type.read:
        for (const ref of decodeRefs(frame.body, "READ")) {
          const held = this.#store.get(ref);
          if (held !== undefined && this.#sending?.held !== held) this.#store.again(held);
        }
        return;
      case type.ping:
        this.#send(type.pong, Buffer.from(frame.body.subarray(0, 4)));
        return;
      case type.command:
        this.#command(frame.body);
        return;
      case type.bye:
        this.#idle();
        return;
      default:
        if (!isKnown(frame.type)) this.#send(type.unknown, Buffer.from([frame.type]));
    }
  }

  #letGo(frame: Frame): void {
    const released = frame.type === type.release;
    const refs = decodeRefs(frame.body, released ? "RELEASE" : "DISCARD");
    for (const ref of refs) {
      const held = this.#store.letGo(ref, released);
      // What is being sent is finished first: its bytes must stay until then.
      if (held !== undefined && this.#sending?.held !== held) wipeMemory(held.bytes);
    }
    this.#urgent.push({ type: released ? type.released : type.discarded, body: encodeRefs(refs) });
  }

  #command(body: Buffer): void {
    const { request, command, status: told } = decodeCommand(body);
    let result: number = told;
    if (command !== undefined) {
      if (command.name === "start") this.running = true;
      else if (command.name === "stop") this.running = false;
      else if (command.name === "key_rate") this.targetKeyRate = command.bitsPerSecond;
      else if (command.name === "telemetry_interval") this.#telemetryMs = command.ms;
      else if (command.name === "zeroize") this.zeroize();
      else if (command.name === "self_test" && !this.healthy) {
        result = status.failed;
        this.event({ code: "self_test_failed", severity: "major", text: "by the emulator" });
      }
    }
    const text = result === status.done ? "" : "refused";
    this.#urgent.push({ type: type.result, body: encodeResult({ request, status: result, text }) });
  }

  #wipeAll(): void {
    this.#sending = undefined;
    this.#store.wipe();
  }

  #idle(): void {
    this.#state = "idle";
    this.#nonce = undefined;
    this.#arq?.wipe();
    this.#arq = undefined;
    this.#timer?.cancel();
    this.#sending = undefined;
    this.#urgent = [];
    this.#credit = { blocks: 0, bytes: 0 };
    this.#used = { blocks: 0, bytes: 0 };
    this.#store.offerAgain();
  }

  #send(messageType: number, body: Buffer): void {
    const { seq, ack } = this.#arq?.header() ?? { seq: 0, ack: 0 };
    this.#write(messageType, 0, seq, ack, body);
  }

  #write(messageType: number, flags: number, seq: number, ack: number, body: Buffer): void {
    const bytes = Buffer.allocUnsafeSlow(wireBound(body.length) + 1);
    // A session's first frame begins with a 0x00 too: garbage on the line before it ends there.
    const start = messageType === type.welcome ? bytes.writeUInt8(0) : 0;
    const all = carriesKey(messageType) ? flags | this.#keyFlags : flags;
    const end = writeFrame(messageType, all, seq, ack, body, bytes, start);
    this.#sentAt = this.#options.clock.now();
    this.#options.line.transmit(bytes.subarray(0, end));
  }
}
