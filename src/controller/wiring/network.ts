/**
 * The core with what is around it: key managers at the door, the store, time. One core leads or stands by; when this
 * controller takes over a new one begins with what the other kept, and key managers tell it everything anew.
 */
import { randomBytes } from "node:crypto";
import { type Clock, every, type Timer } from "../../base/clock.ts";
import { describe, Fault } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import { LogLimit } from "../../base/log-limit.ts";
import { softwareVersion } from "../../base/version.ts";
import { hasName } from "../../host/tls/names.ts";
import type { CkMessage } from "../../wire/ck/messages.ts";
import type { CkAsked } from "../../wire/ck/session.ts";
import type { Authority } from "../access/issuing.ts";
import { Controller } from "../core/controller.ts";
import { Twins } from "../core/twins.ts";
import type { ControllerWorld, Further, HeardNode, Saved } from "../core/world.ts";
import type { CkDoor, CkHandlers } from "../io/ck-door.ts";
import { isOrder } from "../io/store/port.ts";
import type { Store } from "../io/store/store.ts";
import type { ChangeStatus, ControllerStatus } from "../model/status.ts";
import type { ControllerPolicy } from "../policy/network.ts";

export interface NetworkParts {
  readonly policy: ControllerPolicy;
  readonly store: Pick<Store, "save" | "told">;
  /** Default: none; no certificates are issued. */
  readonly authority?: Authority | undefined;
  readonly saved: Saved;
  readonly role: ControllerStatus["role"];
  /** What changed before the start, the newest first. */
  readonly past: readonly ChangeStatus[];
  /** What nodes told their manager, as it is now: a core that begins later did not hear it. Default: nothing. */
  readonly heard?: () => Iterable<HeardNode>;
  /** Something changed that people should see. */
  readonly onChange: (change: ChangeStatus) => void;
  readonly clock: Clock;
  readonly log: Log;
}

const tickMs = 250;
/** Relays whose route was asked for by an RPC, and whose end is not told yet. */
const mostOpenCalls = 1_024;

/** Of 1,000 key managers that all come at once after a start, each is told; of one that comes and goes a few lines. */
const lines = { all: { burst: 4_096, refillMs: 100 }, pairs: 4_096 } as const;

/** Changes that are shown. */
const mostShown = 200;

type Role = ControllerStatus["role"];
type Door = Pick<CkDoor, "of" | "cutAll">;

export class Network implements CkHandlers {
  readonly #parts: NetworkParts;
  readonly #limit: LogLimit;
  readonly #timer: Timer;
  /** What is told of relays by {@link call}: `KM REQUEST`. */
  readonly #calls = new Map<string, { readonly timer: Timer; readonly further: Further }>();
  /** The newest first. */
  readonly #changes: ChangeStatus[];
  #role: Role;
  #core: Controller;
  #door: Door | undefined;
  readonly #twins = new Twins();
  #refused = 0;
  #ticks = 0;

  constructor(parts: NetworkParts) {
    this.#parts = parts;
    this.#limit = new LogLimit(parts.log, parts.clock, lines);
    this.#changes = [...parts.past];
    this.#role = parts.role;
    this.#core = this.#begin(parts.saved, parts.role);
    this.#timer = every(parts.clock, tickMs, () => {
      this.#ticks++;
      this.#core.tick();
    });
  }

  get core(): Controller {
    return this.#core;
  }

  /** Turns of the core since the start: one that does not grow is stuck. */
  get ticks(): number {
    return this.#ticks;
  }

  /** Connections of key managers that are not registered, or were withdrawn. */
  get refused(): number {
    return this.#refused;
  }

  /** KM IDs whose connections took each other's place again and again, since this was asked last. */
  twice(): readonly string[] {
    const found = this.#twins.take();
    for (const km of found) {
      this.#limit.warn(km, "several connections have the identity of one key manager");
    }
    return found;
  }

  /** Key managers are reached here from now on. */
  attach(door: Door): void {
    this.#door = door;
  }

  /**
   * Another controller leads, or this one does.
   * @param saved what the leader before kept @param past what changed before, the newest first
   */
  setRole(role: Role, saved: Saved, past: readonly ChangeStatus[]): void {
    if (role === this.#role) return;
    this.#role = role;
    if (role === "standby") return this.#core.setRole(role);
    this.#changes.splice(0, this.#changes.length, ...past);
    this.#core.setRole(role);
    this.#core = this.#begin(saved, role);
    for (const node of this.#parts.heard?.() ?? []) this.#core.heardNode(node);
    // They come back at once, and tell the new core all there is.
    this.#door?.cutAll("this controller leads now");
  }

  /** The store is of an earlier state than what this leader knows, who has it write that again. */
  saveAgain(): void {
    this.#core.flush(true);
    const text = "the database is of an earlier state: what is known of later is kept anew";
    this.#tell("leader", this.#parts.policy.id, text);
  }

  tooFast(km: string): void {
    this.#tell("node", km, "it sends more than it may: what it sends is read more slowly");
  }

  #tell(kind: ChangeStatus["kind"], object: string, text: string): void {
    const time = new Date(this.#parts.clock.wall()).toISOString();
    this.#world().told({ time, kind, object, text });
  }

  /** Who may take part, by what was ordered of the one that leads. */
  setAccess(access: Saved["access"]): void {
    this.#core.repository.replace(access);
  }

  status(): ControllerStatus {
    return { ...this.#core.status(), changes: this.#changes };
  }

  /** What the core counts is kept from now on. */
  stop(): void {
    this.#timer.cancel();
    if (this.#core.role === "active") this.#core.flush();
    for (const { timer, further } of this.#calls.values()) {
      timer.cancel();
      further.done(undefined);
    }
    this.#calls.clear();
  }

  /**
   * Which key manager has one of these names in its certificate.
   * @param known of the configuration @returns undefined: it may not connect
   */
  kmOf(
    names: readonly string[],
    known: readonly { readonly km: string; readonly names: readonly string[] }[],
  ): string | undefined {
    const named = known.find((one) => one.names.some((name) => hasName(names, name)));
    // One that is configured under other names has no other: its KM ID is not for who carries it.
    const free = names.filter((name) => !known.some(({ km }) => km === name));
    const candidates = named === undefined ? free : [named.km];
    const km = candidates.find((one) => this.#core.mayAttach(one) === undefined);
    if (km === undefined) this.#refused++;
    return km;
  }

  heardNode(node: HeardNode): void {
    this.#core.heardNode(node);
  }

  attached(km: string): void {
    this.#limit.info(km, "key manager connected");
    this.#twins.attached(km, this.#parts.clock.now());
    this.#core.attached(km);
  }

  detached(km: string, why: Fault): void {
    this.#limit.info(km, "key manager gone", { cause: describe(why) });
    this.#twins.detached(km);
    this.#core.detached(km, why.message);
  }

  command(km: string, asked: CkAsked): void {
    const { message } = asked;
    this.#core.command(km, message, (answer, further) => {
      const done = (last: CkMessage | undefined) => further?.done(last);
      asked.reply(answer, further?.withinMs).then(done, (error: unknown) => {
        if (!(error instanceof Fault)) throw error;
        this.#parts.log.debug("no end of a command", { km, cause: describe(error) });
        done(undefined);
      });
    });
  }

  call(km: string, message: CkMessage): Promise<CkMessage | undefined> {
    if (message.type === "relayResponse") {
      this.#told(km, message);
      return Promise.resolve(undefined);
    }
    return new Promise((resolve) => {
      // What comes by an RPC of its own is a command.
      this.#core.command(km, message as CkAsked["message"], (answer, further) => {
        if (further !== undefined) this.#await(km, answer, further);
        resolve(answer);
      });
    });
  }

  /** How a relay went whose route was asked for by an RPC. */
  #told(km: string, message: CkMessage & { readonly type: "relayResponse" }): void {
    const key = `${km} ${message.requestId ?? ""}`;
    const open = this.#calls.get(key);
    this.#calls.delete(key);
    open?.timer.cancel();
    open?.further.done(message);
  }

  #await(km: string, answer: CkMessage, further: Further): void {
    const id = answer.type === "relayRequest" ? answer.requestId : undefined;
    const key = `${km} ${id ?? ""}`;
    if (id === undefined || this.#calls.size >= mostOpenCalls || this.#calls.has(key)) {
      return further.done(undefined);
    }
    const timer = this.#parts.clock.after(further.withinMs, () => {
      this.#calls.delete(key);
      further.done(undefined);
    });
    this.#calls.set(key, { timer, further });
  }

  #begin(saved: Saved, role: Role): Controller {
    const { policy, authority } = this.#parts;
    const world = this.#world();
    return new Controller({ policy, version: softwareVersion, world, authority, saved, role });
  }

  #world(): ControllerWorld {
    const { clock, store, onChange } = this.#parts;
    return {
      now: () => clock.now(),
      wall: () => clock.wall(),
      random: (bytes) => randomBytes(bytes),
      ask: (km, command, withinMs, done) => {
        // One that stands by begins nothing.
        const session = this.#role === "active" ? this.#door?.of(km) : undefined;
        if (session === undefined) return queueMicrotask(() => done(undefined));
        session.request(command, withinMs).then(
          ({ message }) => done(message as CkMessage),
          (error: unknown) => {
            if (!(error instanceof Fault)) throw error;
            this.#parts.log.debug("a key manager does not answer", { km, cause: describe(error) });
            done(undefined);
          },
        );
      },
      told: (change) => {
        this.#changes.unshift(change);
        this.#changes.length = Math.min(this.#changes.length, mostShown);
        if (isOrder(change)) {
          const { object, text: what } = change;
          this.#parts.log.info("ordered", { object, what });
        }
        // What the leader sees is kept, once.
        if (this.#role === "active") store.told(change);
        onChange(change);
      },
      save: (...record) => {
        if (this.#role === "active") store.save(...record);
      },
    };
  }
}
