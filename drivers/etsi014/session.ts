/** A session with a KME and with the driver at the other end. */
import { randomInt } from "node:crypto";
import type { TLSSocket } from "node:tls";
import { every, type Timer } from "../../src/base/clock.ts";
import { describe, Fault } from "../../src/base/errors.ts";
import { backoff } from "../../src/base/retry.ts";
import { shortText } from "../../src/base/short-text.ts";
import { type Reconnecting, reconnecting } from "../../src/host/life/reconnecting.ts";
import type { BatchSpool } from "../../src/port/batch-spool.ts";
import type { BlockRef } from "../../src/port/key.ts";
import type {
  DriverContext,
  LinkQuality,
  ModuleCommand,
  ModuleIdentity,
  ModuleSession,
  ModuleSink,
} from "../../src/port/module.ts";
import type { Books, Counts } from "./books.ts";
import { dialects } from "./dialects.ts";
import { drain } from "./drain.ts";
import { FiguresSource } from "./figures-source.ts";
import { Follower } from "./follower.ts";
import type { KmeStatus } from "./kme.ts";
import type { KmeClient } from "./kme-client.ts";
import type { Lasting } from "./lasting.ts";
import { Leader } from "./leader.ts";
import { type Hello, version } from "./messages.ts";
import { hostOf, type Options } from "./options.ts";
import type { End } from "./parts.ts";
import { PeerDoor } from "./peer-door.ts";
import { dialPeer, type PeerOptions, type Talk, talk } from "./peer-line.ts";
import { Shelf } from "./shelf.ts";
import { type Troubles, watched } from "./watch.ts";

export interface SessionParts extends DriverContext {
  readonly options: Options;
  readonly spool: () => Promise<BatchSpool>;
  readonly client: KmeClient;
  readonly identity: ModuleIdentity;
  readonly sink: ModuleSink;
  readonly lasting: Lasting;
}

const telemetryEvery = 1_000;
/** The other end may be away for so long before that is told, ms. */
const apartFor = 5_000;
/** A KME that has too few keys is asked what it has after this, ms, unless it is asked less often at all. */
const soonMs = 100;
/** An orderly end waits so long for an answer of the KME that is under way, ms. */
const closingMs = 900;

export class Etsi014Session implements ModuleSession {
  readonly identity: ModuleIdentity;
  readonly ended: Promise<Error | undefined>;
  readonly #parts: SessionParts;
  readonly #shelf: Shelf;
  readonly #books: Books;
  /** What was counted before this session. */
  readonly #countsBefore: Counts;
  readonly #troubles: Troubles;
  readonly #end: End;
  readonly #leader: Leader | undefined;
  readonly #kme: ReturnType<typeof watched>;
  readonly #figures: FiguresSource | undefined;
  readonly #timers: Timer[] = [];
  #telemetry: Timer | undefined;
  #door: PeerDoor | undefined;
  #dialling: Reconnecting | undefined;
  #talk: Talk | undefined;
  #status: KmeStatus | undefined;
  #apartSince: number | undefined;
  #why = "it was not there yet";
  #emptySince: number | undefined;
  #takenBefore = 0;
  #polling: Promise<void> | undefined;
  #soon = false;
  #finish!: (error: Error | undefined) => void;
  #over = false;
  #closing: Promise<void> | undefined;

  private constructor(parts: SessionParts, spool: BatchSpool) {
    const { options, clock, client, sink, log } = parts;
    this.#parts = parts;
    this.identity = parts.identity;
    this.ended = new Promise((resolve) => {
      this.#finish = resolve;
    });
    const told = (refs: readonly BlockRef[]) => {
      if (!this.#over) sink.released(refs);
    };
    this.#shelf = new Shelf(spool, { ...sink, released: told }, clock);
    this.#shelf.onFailure = (error) => this.#fail(error);
    this.#books = parts.lasting.books;
    this.#countsBefore = { ...this.#books.counts };
    const tell = (event: Parameters<ModuleSink["event"]>[0]) => {
      if (!this.#over) sink.event(event);
    };
    this.#troubles = parts.lasting.troubles;
    this.#troubles.tell = tell;
    this.#troubles.absent = (code) => sink.absent(code);
    const slow = options.slow_s * 1_000;
    const { rows } = parts.lasting;
    this.#kme = watched(client, { clock, troubles: this.#troubles, rows, slow });
    const { figures } = options;
    if (figures !== undefined) {
      this.#figures = new FiguresSource({
        url: figures.url,
        serverName: figures.server_name ?? hostOf(figures.url),
        files: figures,
        format: figures.format,
        every: figures.every_s * 1_000,
        places: figures.map,
        clock,
        trouble: (what) => {
          if (this.#over) return;
          this.#troubles.is("figures_missing", what !== undefined, "warning", () => what ?? "");
        },
      });
    }
    const own = {
      shelf: this.#shelf,
      kme: this.#kme,
      clock,
      log,
      books: this.#books,
      outOfStep: (why: string | undefined) => {
        this.#troubles.is("ends_out_of_step", why !== undefined, "major", () => why ?? "");
      },
      fail: (error: unknown) => this.#fail(error),
    };
    if (options.lead) {
      this.#leader = new Leader(own, {
        batch: options.kme.batch,
        keyBits: dialects[options.kme.dialect].size ? options.kme.key_bits : undefined,
        gather: 50,
        random: () => randomInt(0x10000),
        qber: () => this.#figures?.values.qber,
        dry: () => this.#pollSoon(),
        caution: parts.lasting.caution,
      });
      this.#end = this.#leader;
    } else {
      this.#end = new Follower(own, {
        patience: options.kme.patience_s * 1_000,
        keySize: () => this.#status?.keySize ?? 0,
      });
    }
  }

  /** @param status that the KME has just told @throws Fault; nothing is left open then */
  static async begin(parts: SessionParts, status: KmeStatus): Promise<Etsi014Session> {
    const spool = await parts.spool();
    const session = new Etsi014Session(parts, spool);
    try {
      await session.#begin(status);
      return session;
    } catch (error) {
      await session.close();
      throw error;
    }
  }

  async #begin(status: KmeStatus): Promise<void> {
    const { options, clock, log } = this.#parts;
    this.#status = status;
    await this.#shelf.load();
    this.#end.began();
    const { host, port, name } = options.peer;
    const peer: PeerOptions = { host, port, name, files: options.peer, clock };
    if (options.lead) {
      this.#dialling = reconnecting({
        name: "the other end",
        connect: async (signal) => this.#meet(await dialPeer(peer, signal)),
        onDown: (error) => this.#parted(error),
        schedule: () => backoff({ firstMs: 100, maxMs: 2_000, random: Math.random }),
        settledAfterMs: 2_000,
        clock,
        log,
      });
    } else {
      this.#door = new PeerDoor(peer, log, (socket) => {
        this.#talk?.close();
        this.#meet(socket);
      });
      this.#door.onOther = (names) => {
        this.#why = `another than ${name} has connected: ${shortText(names.join(", "), 100)}`;
      };
      await this.#door.listen();
    }
    this.#apartSince = clock.now();
    this.#figures?.read();
    this.#timers.push(
      every(clock, 1_000, () => this.#tick()),
      every(clock, options.kme.status_s * 1_000, () => this.#poll()),
    );
    this.#telemetryEach(telemetryEvery);
    this.#leader?.stock(status);
  }

  #meet(socket: TLSSocket): { ended: Promise<Error>; close(): Promise<void> } {
    const { module_id, matching_module_id, lead } = this.#parts.options;
    const one = talk(socket, this.#parts.clock, {
      hello: (): Hello => {
        const newest = this.#shelf.newest?.first;
        return {
          type: "hello",
          version,
          role: lead ? "leader" : "follower",
          module: module_id,
          matching: matching_module_id,
          ...(newest !== undefined && { newest }),
        };
      },
      end: this.#end,
      met: () => {
        this.#apartSince = undefined;
      },
      parted: (why) => {
        if (this.#talk === one) this.#parted(why);
      },
    });
    this.#talk = one;
    if (this.#over) one.close();
    return { ended: one.ended, close: async () => one.close() };
  }

  #parted(why: Error): void {
    this.#why = describe(why);
    this.#apartSince ??= this.#parts.clock.now();
  }

  grant(blocks: number, bytes: number): void {
    if (!this.#over) this.#shelf.grant(blocks, bytes);
  }

  release(refs: readonly BlockRef[]): void {
    if (this.#over || refs.length === 0) return;
    this.#shelf.release(refs);
  }

  discard(refs: readonly BlockRef[]): void {
    this.release(refs);
  }

  read(refs: readonly BlockRef[]): void {
    if (!this.#over) this.#shelf.read(refs);
  }

  async command(command: ModuleCommand): Promise<void> {
    const { name } = command;
    if (this.#over) throw new Fault("module.command", `${name}: session is over`);
    if (name === "telemetry_interval") this.#telemetryEach(command.ms);
    else if (name === "zeroize") await this.#zeroize();
    else throw new Fault("module.command", `${name}: a KME can't be told to`);
  }

  quality(): LinkQuality {
    const { requests, answers, bytesReceived, bytesSent } = this.#parts.client;
    return {
      framesReceived: answers,
      framesSent: requests,
      bytesReceived,
      bytesSent,
      framesBad: this.#counts.refused,
      framesResent: this.#counts.unanswered,
    };
  }

  /** Since the session began. */
  get #counts(): Counts {
    return this.#books.since(this.#countsBefore);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const { clock, client, log } = this.#parts;
    this.#fail(undefined);
    for (const timer of this.#timers) timer.cancel();
    this.#telemetry?.cancel();
    this.#figures?.close();
    const late = clock.after(closingMs, () => client.close());
    await this.#end.close();
    await this.#polling;
    late.cancel();
    client.close();
    this.#talk?.close();
    await this.#dialling?.stop();
    await this.#door?.close();
    log.info("keys of the session", { ...this.#counts });
    await this.#shelf.close();
  }

  #fail(error: unknown): void {
    if (this.#over) return;
    this.#over = true;
    const wrong = error instanceof Error || error === undefined ? error : new Error(String(error));
    this.#finish(wrong);
    if (wrong !== undefined) void this.close();
  }

  #tick(): void {
    if (this.#over) return;
    const { clock, options } = this.#parts;
    this.#end.tick();
    const now = clock.now();
    const apart = this.#apartSince !== undefined && now - this.#apartSince >= apartFor;
    this.#troubles.is("ends_apart", apart, "major", () => `the other end is away: ${this.#why}`);
    const { lost, unanswered, refused } = this.#books.counts;
    this.#troubles.is("keys_lost", this.#books.tooMany, "major", () => {
      return `too many keys are lost: ${lost} at one end, ${unanswered} unanswered, ${refused} refused`;
    });
    // Keys that come and are taken between two looks are keys.
    const { taken } = this.#books.counts;
    const isEmpty =
      this.#status?.stored === 0 && this.#shelf.wanted > 0 && taken === this.#takenBefore;
    this.#takenBefore = taken;
    if (!isEmpty) this.#emptySince = undefined;
    else this.#emptySince ??= now;
    const since = this.#emptySince;
    const long = since !== undefined && now - since >= options.empty_s * 1_000;
    this.#troubles.is("kme_empty", long && options.lead, "warning", () => "the KME has no keys");
  }

  /** Before its time, but not at once: where keys come slowly each look finds few. */
  #pollSoon(): void {
    if (this.#soon || this.#over) return;
    this.#soon = true;
    const { clock, options } = this.#parts;
    clock.after(
      Math.min(options.kme.status_s * 1_000, this.#status?.stored === 0 ? 5 * soonMs : soonMs),
      () => {
        this.#soon = false;
        this.#poll();
      },
    );
  }

  #poll(): void {
    if (this.#polling !== undefined || this.#over) return;
    this.#polling = this.#ask()
      .catch((error: unknown) => this.#fail(error))
      .finally(() => {
        this.#polling = undefined;
      });
  }

  async #ask(): Promise<void> {
    const status = await this.#kme.status();
    if (this.#over) return;
    if (status === undefined) {
      // Whether it is away shows soon.
      this.#parts.clock.after(300, () => this.#poll());
      return;
    }
    this.#status = status;
    this.#leader?.stock(status);
  }

  async #zeroize(): Promise<void> {
    this.#end.forget();
    await Promise.all([this.#shelf.zeroize(), this.#drain()]);
  }

  async #drain(): Promise<void> {
    const release = this.#leader?.hold();
    if (release === undefined) return;
    const { clock, options } = this.#parts;
    await drain(this.#kme, options.kme.batch, clock).finally(release);
  }

  #telemetryEach(ms: number): void {
    this.#telemetry?.cancel();
    if (ms > 0) this.#telemetry = every(this.#parts.clock, ms, () => this.#measure());
  }

  #measure(): void {
    const { sink, clock } = this.#parts;
    if (this.#over || this.#status === undefined) return;
    const { stored, keySize } = this.#status;
    const values = {
      key_buffer_bits: stored * keySize + this.#shelf.bits,
      ...this.#figures?.values,
    };
    sink.telemetry({ at: clock.wall(), values });
  }
}
