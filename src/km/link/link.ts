/**
 * One link to another KM: matching, ownership, keys on their way, and the sessions over which both ends agree
 * on them. Driven from outside: messages, keys and time go in; messages and transactions come out. Pure.
 */
import type { DeliveryMessage } from "../../wire/kx/deliver-messages.ts";
import type { KxMessage } from "../../wire/kx/messages.ts";
import type { KxVersion } from "../../wire/kx/names.ts";
import type { RelayMessage } from "../../wire/kx/relay-messages.ts";
import { LinkBuffer } from "../matching/buffer.ts";
import { Follower } from "../matching/follower.ts";
import { Leader } from "../matching/leader.ts";
import { none } from "../matching/slots.ts";
import type { KxSession, LinkContext, LinkLimits } from "../peer/context.ts";
import { useTold } from "../peer/events.ts";
import { Turn } from "../peer/turn.ts";
import { LinkBooks } from "../store/books.ts";
import type { BufferedKeys } from "../store/buffered.ts";
import type { Row } from "../store/port.ts";
import type { Side } from "../store/regions.ts";
import { Owner } from "../supply/owner.ts";
import { Peer, type Takes } from "../supply/peer.ts";
import { compareBatches } from "./batches.ts";
import { compareBooks } from "./compare.ts";
import { expireWaiting } from "./expire.ts";
import { forgetUsed } from "./forget.ts";
import { MacPads } from "./mac-pads.ts";
import { tellBooks } from "./my-books.ts";
import { Ownership } from "./ownership.ts";
import { type Revoked, revokeBuffered, revokeExtents, type WaitingChoice } from "./revoke.ts";
import { roughSize } from "./rough-size.ts";
import { TheirBooks } from "./their-books.ts";
import { unreadable } from "./unreadable.ts";
import type { LinkWorld } from "./world.ts";

/** A pair of modules whose keys meet on this link. */
export interface ModulePairOfLink {
  /** Name of this end's module in the configuration of this KM. */
  readonly module: string;
  /** QKD module IDs, the leader's first. */
  readonly ids: readonly [string, string];
}

export interface LinkOptions {
  /** Name of the link in the configuration. */
  readonly link: string;
  /** KM IDs; the smaller one leads. */
  readonly me: string;
  readonly peer: string;
  readonly modules: readonly ModulePairOfLink[];
  readonly limits: LinkLimits;
  readonly takes: Takes;
  /** Default: batches are authenticated by a hash that is keyed by the session. */
  readonly oneTime?: boolean | undefined;
  /** 16 bytes drawn at this start, never read from a disk. */
  readonly incarnation: Buffer;
}

type Phase = "down" | "comparing" | "ready";

/** Messages that wait while both books are compared, by their size, bytes. */
const maxEarly = 16_777_216;

export class KmLink {
  readonly books: LinkBooks;
  readonly owner: Owner;
  readonly peer: Peer;
  readonly #options: LinkOptions;
  readonly #world: LinkWorld;
  readonly #turn: Turn;
  readonly #soon: (fn: () => void) => void;
  #isProposing = false;
  readonly #buffer: LinkBuffer;
  readonly #leader: Leader | undefined;
  readonly #follower: Follower | undefined;
  readonly #ownership: Ownership;
  readonly #context: LinkContext;
  #session: KxSession | undefined;
  #phase: Phase = "down";
  #generation = 0;
  #theirs: TheirBooks | undefined;
  #voidUnreadable = () => {};
  readonly #early: KxMessage[] = [];
  #earlyBytes = 0;

  /**
   * @param rows what the store has of this link
   * @param buffered its keys that wait for a match
   * @param extents numbers of the extents whose bytes are there
   */
  constructor(
    options: LinkOptions,
    world: LinkWorld,
    rows: readonly Row[],
    buffered: readonly BufferedKeys[],
    extents: ReadonlySet<number>,
  ) {
    this.#options = options;
    this.#world = world;
    const { link, me, peer, modules } = options;
    const side: Side = Buffer.compare(Buffer.from(me), Buffer.from(peer)) < 0 ? 0 : 1;
    this.books = new LinkBooks(link, side, rows, (keys) => this.#turn.told(useTold(keys)));
    this.#buffer = new LinkBuffer(world.random(16), (pair, ids) => {
      const module = modules[pair]?.module;
      if (module !== undefined) world.left(module, ids);
    });
    this.#soon = world.soon;
    this.#turn = new Turn(world.store, this.books, world.soon, world.tell);
    this.#context = this.#makeContext();
    this.owner = new Owner(this.#context, options.incarnation, () => this.#ownership.ask());
    this.peer = new Peer(this.#context, options.takes, (use) => world.mayBind(use));
    this.#ownership = new Ownership(this.#context);
    const waiting = buffered.flatMap((keys) => this.#wait(keys) ?? []);
    const ids = modules.map(({ ids }) => ids);
    const pads = new MacPads(this.#context, this.owner, this.peer);
    if (side === 0) this.#leader = new Leader(this.#context, this.#buffer, ids, pads);
    else this.#follower = new Follower(this.#context, this.#buffer, ids, pads, rows);
    for (const { batch, pair } of waiting) this.#leader?.add(batch, pair);
    this.#start(extents);
  }

  #makeContext(): LinkContext {
    const self = this;
    const { link, limits, oneTime = false } = this.#options;
    const { store } = this.#world;
    return {
      link,
      limits,
      oneTime,
      store,
      books: this.books,
      turn: this.#turn,
      get ready() {
        return self.#phase === "ready";
      },
      get generation() {
        return self.#generation;
      },
      get tagKey() {
        return self.#session?.tagKey ?? Buffer.alloc(16);
      },
      get version() {
        return self.version;
      },
      now: () => this.#world.now(),
      wall: () => this.#world.wall(),
      random: (length) => this.#world.random(length),
      send: (message) => {
        if (this.#phase === "ready") this.#session?.send(message);
      },
      tell: (event) => this.#world.tell(event),
    };
  }

  /** Every restart may be a restored disk: what was begun and not finished is void. */
  #start(extents: ReadonlySet<number>): void {
    const { books } = this;
    books.meet(this.#options.peer);
    // Their bytes are lost: used here, and by the comparison at the other end.
    for (const { number, regions } of [...books.stock.extents.values()]) {
      if (extents.has(number)) continue;
      const bytes = regions.reduce((sum, { mark, end }) => sum + end - mark, 0);
      books.stock.voidExtent(number);
      if (bytes > 0) this.#world.tell({ type: "lost", bytes, extent: number });
    }
    for (const use of books.uses.values()) {
      if (use.owner && (use.state === "O" || use.state === "P")) books.step(use, "void");
    }
    this.#voidUnreadable = unreadable(books, extents);
    forgetUsed(books, this.#world.store);
    this.#turn.changed();
  }

  get phase(): Phase {
    return this.#phase;
  }

  /** Of the protocol, in the session of now. */
  get version(): KxVersion {
    return this.#session?.version ?? 1;
  }

  get bufferedKeys(): number {
    return this.#buffer.keys;
  }

  get bufferedBytes(): number {
    return this.#buffer.bytes;
  }

  /** How long the oldest key waits for its match, ms; 0 if none does. */
  get oldestMs(): number {
    const { oldest } = this.#buffer;
    return oldest === undefined ? 0 : this.#world.now() - oldest;
  }

  /** Puts keys into the buffer. @returns undefined if they are of no module of this link */
  #wait(keys: BufferedKeys) {
    const pair = this.#options.modules.findIndex(({ module }) => module === keys.module);
    return pair < 0 ? undefined : { pair, ...this.#buffer.add(keys, pair, this.#world.now()) };
  }

  /** Sends while the session is ready. */
  send(message: RelayMessage | DeliveryMessage): void {
    this.#context.send(message);
  }

  /** QKD-keys of one of this link's modules are durable in the buffer. */
  stored(keys: BufferedKeys): void {
    const waiting = this.#wait(keys);
    if (waiting === undefined) return;
    this.#leader?.add(waiting.batch, waiting.pair);
    this.#follower?.stored(waiting.masked);
    if (this.#leader === undefined || this.#isProposing) return;
    this.#isProposing = true;
    // Keys wait for no others: what became durable with one sync is told in one turn, and proposed together.
    this.#soon(() => {
      this.#isProposing = false;
      this.#leader?.advance();
    });
  }

  /** A key that is kept out: another has its ID, or its relay was given up. Only one that is in no batch. */
  keepOut(id: Uint8Array, reason: "conflict" | "relay" = "conflict"): boolean {
    const buffer = this.#buffer;
    const slot = buffer.find(buffer.mask(id), 0);
    if (slot === none || buffer.slots.batch(slot) !== 0) return false;
    const key = buffer.batchOf([slot]);
    const lost = { ids: Buffer.from(id), runs: buffer.runsOf(key) };
    buffer.take(key);
    this.#turn.drop(key.handles);
    this.#turn.told({ type: "dropped", reason, ...lost });
    return true;
  }

  /** Gives up what is free of these extents, at both ends. @param done when it is durable here */
  revoke(numbers: ReadonlySet<number>, done: (revoked: Revoked) => void): void {
    const revoked = revokeExtents(this.#context, this, numbers);
    this.#turn.whenDurable(() => done(revoked));
  }

  /** More free bytes are wanted than this KM owns: the other has some in excess, perhaps. */
  ask(): void {
    this.#ownership.ask();
  }

  /** Gives up QKD-keys that wait for a match. @returns how many, and how many a batch has */
  revokeWaiting(choice: WaitingChoice): { readonly dropped: number; readonly inBatch: number } {
    return revokeBuffered(this.#context, this.#buffer, choice);
  }

  /** QKD-keys that wait for a match: to be looked at. */
  get buffer(): LinkBuffer {
    return this.#buffer;
  }

  /** A connection on which both ends have said HELLO. The one before has ended. */
  up(session: KxSession): void {
    if (this.#session !== undefined) this.down();
    this.#session = session;
    this.#generation++;
    this.#phase = "comparing";
    const open = [...(this.#leader?.books() ?? []), ...(this.#follower?.books() ?? [])];
    const parts = tellBooks(this.books, open);
    this.#turn.whenDurable(() => {
      if (this.#session !== session) return;
      for (const part of parts) session.send(part);
    });
  }

  /** The connection ended. What waits for an answer goes on waiting, up to its deadline. */
  down(): void {
    this.#session = undefined;
    this.#phase = "down";
    this.#theirs = undefined;
    this.#early.length = 0;
    this.#earlyBytes = 0;
    this.#generation++;
    this.#leader?.down();
    this.#follower?.down();
    this.peer.forBatches.clear();
  }

  /** @param message in the order in which it was sent */
  heard(message: KxMessage): void {
    if (this.#phase === "ready") return this.#handle(message);
    switch (message.type) {
      case "sync":
        this.#theirs = new TheirBooks(message);
        return;
      case "syncExtents":
      case "syncUses":
        if (!this.#theirs?.add(message))
          this.#session?.close("books without their head, too long, or not whole");
        return;
      case "syncEnd":
        return this.#compare();
      case "alive":
        return;
      default:
        // The other end is done with the comparison, and this one is not yet.
        this.#early.push(message);
        this.#earlyBytes += roughSize(message);
        if (this.#earlyBytes > maxEarly) this.#session?.close("too much before the books");
    }
  }

  #compare(): void {
    const theirs = this.#theirs;
    const session = this.#session;
    if (theirs === undefined || session === undefined) return;
    this.#theirs = undefined;
    compareBatches(this.#leader, this.#follower, theirs);
    compareBooks(this.#context, this.peer, theirs);
    this.#voidUnreadable();
    this.#turn.whenDurable(() => {
      if (this.#session === session) this.#ready(theirs);
    });
  }

  #ready(theirs: TheirBooks): void {
    this.#phase = "ready";
    for (const { number, state } of theirs.extents.values()) {
      if (state === "R" && this.books.stock.extent(number) !== undefined)
        this.#leader?.commit(number);
    }
    this.owner.again();
    this.peer.again();
    this.#ownership.again();
    this.#leader?.again();
    this.#world.tell({ type: "ready" });
    this.#earlyBytes = 0;
    for (const message of this.#early.splice(0)) this.#handle(message);
  }

  #handle(message: KxMessage): void {
    switch (message.type) {
      case "propose":
        return this.#follower?.heardPropose(message);
      case "commit":
        return this.#follower?.heardCommit(message);
      case "abort":
        return this.#follower?.heardAbort(message);
      case "match":
      case "matchMac":
        return this.#leader?.heardMatch(message);
      case "noMatch":
        return this.#leader?.heardNoMatch(message);
      case "offer":
        return this.peer.heardOffer(message);
      case "assign":
        return this.peer.heardAssign(message);
      case "void":
        return this.peer.heardVoid(message);
      case "taken":
        return this.peer.heardTaken(message);
      case "fateOk":
        return this.peer.fates.heardOk(message);
      case "ack":
        return this.owner.heardAck(message);
      case "take":
        return this.owner.heardTake(message);
      case "fate":
        return this.owner.heardFate(message);
      case "give":
        return this.#ownership.heardGive(message);
      case "given":
        return this.#ownership.heardGiven(message);
      case "ask":
        return this.#ownership.heardAsk(message);
      case "relay":
      case "relayed":
      case "relayVoid":
        return this.#world.relay?.(message);
      case "deliver":
      case "delivered":
        return this.#world.deliver?.(message);
      case "alive":
        return;
      default:
        this.#world.tell({ type: "odd", message: message.type });
    }
  }

  /** Calls back when all that was heard so far is durable, and what depends on it is said. */
  settled(done: () => void): void {
    this.#turn.whenDurable(done);
  }

  /** Moves on with time: deadlines, expiry, what was postponed. Some ten times a second. */
  tick(): void {
    this.owner.tick();
    this.peer.tick();
    this.#follower?.tick();
    this.#leader?.tick();
    this.#ownership.tick();
    expireWaiting(this.#context, this.#buffer);
  }
}
