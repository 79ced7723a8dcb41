/** The links of a key manager: each a core, its way to the other KM, and counts of what it tells. */
import { randomBytes } from "node:crypto";
import type { Clock } from "../../base/clock.ts";
import type { Log } from "../../base/log.ts";
import { LogLimit } from "../../base/log-limit.ts";
import type { TaskBegin } from "../../host/life/progress.ts";
import type { SecurityLevel } from "../../wire/etsi014/key-request.ts";
import type { DeliveryMessage } from "../../wire/kx/deliver-messages.ts";
import type { RelayMessage } from "../../wire/kx/relay-messages.ts";
import type { ApplicationTable } from "../applications/table.ts";
import type { LinkConfig, ModuleConfig } from "../config/tables.ts";
import type { KxIdentity } from "../io/kx-dial.ts";
import { KxLink } from "../io/kx-link.ts";
import { KmLink } from "../link/link.ts";
import { isMatchUse } from "../matching/match-use.ts";
import type { LinkStatus } from "../model/status.ts";
import { usualLimits } from "../peer/context.ts";
import type { LinkEvent } from "../peer/events.ts";
import { relayModules } from "../relay/modules.ts";
import { isRelayUse } from "../relay/ports.ts";
import type { BufferedKeys } from "../store/buffered.ts";
import type { KeyStore, Loaded } from "../store/port.ts";
import { bytesOf } from "../store/ranges.ts";
import { other } from "../store/regions.ts";
import { noOffer } from "../store/shapes.ts";

export interface LinkParts {
  readonly me: string;
  readonly config: LinkConfig;
  readonly modules: readonly ModuleConfig[];
  readonly store: KeyStore;
  readonly loaded: Loaded;
  readonly incarnation: Buffer;
  readonly tls: () => KxIdentity;
  readonly clock: Clock;
  readonly log: Log;
  /** An attempt to connect began; what it returns says that it has ended. */
  readonly task?: TaskBegin;
  readonly left: (module: string, ids: Buffer) => void;
  /** Who may have keys of this link, as it is now. */
  readonly applications: () => ApplicationTable;
  /** Keys that applications may have on their way, over all links. */
  readonly outstanding: number | undefined;
  /** A session began or ended. */
  readonly changed?: () => void;
  /** For alarms and records. */
  readonly told: (link: string, event: LinkEvent) => void;
  /** A defect: the books contradict themselves. The process ends. */
  readonly onFailure: (error: unknown) => void;
}

const tickMs = 100;
/** The other KM bounds keys on their way by its own configuration: here it may have more than this one, and not any number. */
const timesForPeer = 2;
export class LinkOfKm {
  readonly core: KmLink;
  readonly way: KxLink;
  readonly #parts: LinkParts;
  #group: string | undefined;
  /** Of the other KM, as its HELLO had it; and how this session ends. */
  #session: { readonly policy: Buffer; readonly close: (reason: string) => void } | undefined;
  #compared = 0;
  #differing = 0;
  #expired = 0;
  #aborted = 0;
  /** Bytes that the comparison of this session found to be lost. */
  #lost = 0;
  #onRelay: ((message: RelayMessage) => void) | undefined;
  #onEvent: ((event: LinkEvent) => void) | undefined;
  readonly #onDown: (() => void)[] = [];
  #onDelivery: ((message: DeliveryMessage) => void) | undefined;
  #isStopped = false;

  constructor(parts: LinkParts) {
    this.#parts = parts;
    const {
      me,
      config,
      modules,
      store,
      loaded,
      incarnation,
      tls,
      clock,
      log,
      task,
      left,
      outstanding,
    } = parts;
    const { applications } = parts;
    const { name, peer, host, port, unit_bits, match_within, server_name } = config;
    const own = modules.filter(({ link }) => link === name);
    const leads = Buffer.compare(Buffer.from(me), Buffer.from(peer)) < 0;
    const relayed = config.relay === undefined ? [] : relayModules(name);
    const names = new Set([...own.map((module) => module.name), ...relayed.map((r) => r.module)]);
    this.core = new KmLink(
      {
        link: name,
        me,
        peer,
        modules: [
          ...own.map(({ name: module, module_id, matching_module_id }) => ({
            module,
            ids: leads
              ? ([module_id, matching_module_id] as const)
              : ([matching_module_id, module_id] as const),
          })),
          ...relayed,
        ],
        limits: {
          ...usualLimits,
          unit: unit_bits / 8,
          matchMs: match_within,
          ...(outstanding !== undefined && { underWay: timesForPeer * outstanding }),
        },
        takes: config.takes,
        oneTime: config.matching_mac === "one-time",
        incarnation,
      },
      {
        store,
        now: () => clock.now(),
        wall: () => clock.wall(),
        random: (length) => randomBytes(length),
        soon: (fn) => queueMicrotask(() => this.#guard(fn)),
        tell: (event) => this.#told(event),
        mayBind: (use) => isRelayUse(use) || isMatchUse(use) || applications().mayBind(peer, use),
        relay: (message) => this.#onRelay?.(message),
        deliver: (message) => this.#onDelivery?.(message),
        left,
      },
      loaded.rows.filter((row) => row.link === name),
      loaded.buffered.filter(({ module }) => names.has(module)),
      new Set(loaded.extents.flatMap((e) => (e.link === name ? [e.number] : []))),
    );
    this.way = new KxLink({
      me,
      peer,
      peerName: server_name ?? host ?? peer,
      dial: host === undefined || port === undefined ? undefined : { host, port },
      tls,
      incarnation,
      policy: () => applications().digest(peer),
      handlers: {
        onSession: (session) => {
          this.#group = session.group;
          const { policy } = session.hello;
          this.#session = { policy, close: (reason) => session.close(reason) };
          this.#guard(() => this.core.up(session));
        },
        onMessage: (message) => {
          if (!this.#isStopped) this.#guard(() => this.core.heard(message));
        },
        onTwice: () => this.#told({ type: "twice" }),
        onEnd: () => {
          this.#group = undefined;
          this.#session = undefined;
          this.#guard(() => {
            this.core.down();
            for (const down of this.#onDown) down();
            parts.changed?.();
          });
        },
      },
      log,
      clock,
      ...(task && { task }),
    });
  }

  #guard(fn: () => void): void {
    try {
      fn();
    } catch (error) {
      this.#parts.onFailure(error);
    }
  }

  #told(event: LinkEvent): void {
    const { log, config, told } = this.#parts;
    told(config.name, event);
    this.#onEvent?.(event);
    if (event.type === "matched") this.#compared += event.keys;
    else if (event.type === "unmatched") this.#aborted++;
    else if (event.type === "differs") {
      this.#differing++;
      log.error("a QKD-key differs at the two ends: void at both", { key_ID: event.id });
    } else if (event.type === "expired") {
      this.#expired += event.keys;
      const lacked_by = event.lackedBy === "them" ? "the other KM" : "not known";
      log.warn("QKD-keys found no match in time", { keys: event.keys, lacked_by });
    } else if (event.type === "macMissing") {
      const what = "the other KM proposes keys without a one-time MAC: none is compared";
      log.error(what, { differs: `link.${config.name}.matching_mac` });
    } else if (event.type === "restored") {
      const { which, mark, remembered } = event;
      const whose = which === "us" ? "this KM's" : "the other KM's";
      log.error(`${whose} disk is older than it was: what is used at either end is used`, {
        mark,
        remembered,
      });
    } else if (event.type === "use" && event.offer === noOffer && !event.owner) {
      const bytes = bytesOf(event.keys.flatMap(({ ranges }) => ranges));
      log.warn("the other KM was ordered to give up keys: void here, too", { bytes });
    } else if (event.type === "lost") this.#lost += event.bytes;
    else if (event.type === "ready") this.#tellLost();
    else if (event.type === "refused") {
      const { reason, keys } = event;
      const limit = LogLimit.of(log, this.#parts.clock);
      limit.warn(reason, "the other KM refused keys: they are void", { keys });
    } else if (event.type === "odd")
      log.debug("a message fits nothing", { message: event.message });
  }

  /** One line for all extents of a comparison. */
  #tellLost(): void {
    const bytes = this.#lost;
    this.#lost = 0;
    if (bytes === 0) return;
    this.#parts.log.warn("free bytes are used at the other end, and not known here", { bytes });
  }

  get name(): string {
    return this.#parts.config.name;
  }

  /** What all of its stock is at least: distilled on this link, or under one-time pads wherever it was relayed. */
  get level(): SecurityLevel {
    const { relay } = this.#parts.config;
    return relay?.aes || !this.core.books.stock.isAllOtp ? "any" : "otp";
  }

  /** ID of the KM at its other end. */
  get peer(): string {
    return this.#parts.config.peer;
  }

  /** How keys come here by relay, if they do. */
  get relay() {
    return this.#parts.config.relay;
  }

  get isSamePolicy(): boolean {
    const { applications, config } = this.#parts;
    return this.#session?.policy.equals(applications().digest(config.peer)) ?? true;
  }

  get isRelayed(): boolean {
    return this.#parts.config.relay !== undefined;
  }

  /** Who hears messages of relays, that a session ended, and what becomes of keys. */
  onRelay(
    heard: (message: RelayMessage) => void,
    down: () => void,
    event: (event: LinkEvent) => void,
  ): void {
    this.#onRelay = heard;
    this.#onEvent = event;
    this.#onDown.push(down);
  }

  /** Who hears of keys that applications are brought, and that a session ended. */
  onDelivery(heard: (message: DeliveryMessage) => void, down: () => void): void {
    this.#onDelivery = heard;
    this.#onDown.push(down);
  }

  /** The table of applications was read anew: the next session begins with it. */
  renewPolicy(): void {
    this.#session?.close("the table of applications changed");
  }

  start(): void {
    this.way.start();
    this.#tick();
  }

  #tick(): void {
    this.#parts.clock.after(tickMs, () => {
      if (this.#isStopped) return;
      this.#guard(() => this.core.tick());
      this.#tick();
    });
  }

  stored(keys: BufferedKeys): void {
    this.#guard(() => this.core.stored(keys));
  }

  /** Bytes of key that wait, are matched a moment ago, or are stock here, of both owners. */
  get bytes(): number {
    const { stock } = this.core.books;
    return this.core.bufferedBytes + stock.opening + stock.free(0) + stock.free(1);
  }

  /** Durable transactions: this KM's, and the most that it heard of the other's. */
  get marks(): { readonly own: number; readonly peer: number } {
    const { durableMark, state } = this.core.books;
    return { own: durableMark, peer: state.heardMark };
  }

  /** Free at this moment, and prepared for applications to come: of this KM, and of the other. */
  get stockBits(): readonly [own: number, peer: number] {
    const { side, stock, underWay } = this.core.books;
    const [own, peers] = underWay.prepared;
    return [(stock.free(side) + own) * 8, (stock.free(other(side)) + peers) * 8];
  }

  status(): LinkStatus {
    const { core, stockBits } = this;
    const { books } = core;
    const { config } = this.#parts;
    const { bound } = books.underWay;
    const { told, heard } = books.state;
    return {
      name: config.name,
      peer: config.peer,
      takes: config.takes,
      leads: books.side === 0,
      session: core.phase,
      ...(this.#group !== undefined && { key_exchange: this.#group }),
      same_policy: this.isSamePolicy,
      waiting_keys: core.bufferedKeys,
      waiting_bits: core.bufferedBytes * 8,
      oldest_s: Math.round(core.oldestMs / 100) / 10,
      matched_bits: books.state.matched * 8,
      stock_bits: stockBits[0],
      peer_stock_bits: stockBits[1],
      taken_bits: (told.taken + heard.taken) * 8,
      unfetched_bits: (told.expired + heard.expired) * 8,
      under_way_bits: bound * 8,
      compared_keys: this.#compared,
      differing_keys: this.#differing,
      expired_keys: this.#expired,
      aborted_batches: this.#aborted,
      extents: books.stock.extents.size,
      uses: books.uses.size,
    };
  }

  /** What the other KM was heard to ask is answered first: a TAKE that was written down has its TAKEN. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.way.stop(new Promise((resolve) => this.core.settled(resolve)));
    const keys = this.core.peer.inDoubt;
    if (keys > 0) {
      this.#parts.log.warn("no answer came for keys that were asked for: they may be gone", {
        keys,
      });
    }
  }
}
