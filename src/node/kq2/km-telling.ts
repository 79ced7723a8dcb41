/** One KM that is told how its modules are (Kq-2): kept connected by itself, beside Kq-1 and without touching it. */
import { type Clock, every, type Timer } from "../../base/clock.ts";
import { describe, Fault } from "../../base/errors.ts";
import { type Log, silentLog } from "../../base/log.ts";
import { type Reconnecting, reconnecting } from "../../host/life/reconnecting.ts";
import { peerOf, type TlsPeer } from "../../host/tls/peer.ts";
import { alpn } from "../../wire/kq2/names.ts";
import { encodeStatus } from "../../wire/kq2/status.ts";
import { connectKm, endpointName, type KmEndpoint, stillGood } from "../io/connect.ts";
import { Kq2Session } from "../io/kq2-session.ts";
import type { KmTold } from "../model/local.ts";
import { type Look, Teller } from "./teller.ts";
import { kq2Waits } from "./waits.ts";

export interface KmTellingOptions {
  /** The KM's name in the configuration. */
  readonly name: string;
  /** Where Kq-1 is; reads the certificates as they are now. @throws Fault `kq1.connect` */
  readonly endpoint: () => KmEndpoint;
  /** Names of the modules whose keys it gets. */
  readonly modules: readonly string[];
  readonly look: Look;
  /** The KM must have Kq-2. */
  readonly required?: boolean;
}

export interface KmTellingParts {
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Log;
}

const settledAfterMs = 5_000;
/** How often it is looked at whether anything is due, ms; and so soon after something changed, however much does. */
const lookMs = 250;
const soonMs = 50;

/** A connection of now: with whom, and with which certificate of ours. */
interface Open {
  readonly session: Kq2Session;
  readonly peer: TlsPeer | undefined;
  readonly cert: string | undefined;
}

export class KmTelling {
  readonly #options: KmTellingOptions;
  readonly #parts: KmTellingParts;
  readonly #teller: Teller;
  #kept: Reconnecting | undefined;
  #looking: Timer | undefined;
  #soon: Timer | undefined;
  #open: Open | undefined;
  /** The KM does not speak Kq-2. */
  #absent = false;
  #trouble = "not connected yet";
  /** It has taken something since the node started: that it does not any more is worth an alarm. */
  #took = false;
  /** What was logged since the KM took something last: the same is not said again. */
  readonly #said = new Set<string>();

  constructor(options: KmTellingOptions, parts: KmTellingParts) {
    this.#options = options;
    this.#parts = parts;
    this.#teller = new Teller(options.modules, options.look);
  }

  get name(): string {
    return this.#options.name;
  }

  /** Tells from now on; connects when there is something to tell. */
  start(): void {
    this.#looking ??= every(this.#parts.clock, lookMs, () => this.#tell());
  }

  /** Something in the node is otherwise than before. It is looked at when who says so has done all of it. */
  changed(): void {
    this.#teller.changed();
    this.#soon ??= this.#parts.clock.after(soonMs, () => {
      this.#soon = undefined;
      this.#tell();
    });
  }

  /** How it goes, for who looks at the node. */
  told(): KmTold {
    const { name } = this.#options;
    const refused = this.#teller.refused.map(({ module, why }) => `${module}: ${why}`).join(", ");
    if (this.#open !== undefined) {
      return { km: name, state: refused === "" ? "up" : "refused", reason: refused };
    }
    if (this.#absent)
      return { km: name, state: "not_offered", reason: "the KM does not have Kq-2" };
    return { km: name, state: "down", reason: this.#trouble };
  }

  /** For the alarm: why it is not told, "" if nothing is amiss; undefined: whether it has Kq-2 is not known. */
  get untold(): string | undefined {
    const { state, reason } = this.told();
    if (state === "up" || state === "refused") return reason;
    if (this.#took || this.#options.required === true) return reason;
    return state === "not_offered" ? "" : undefined;
  }

  /**
   * Checks what is connected with the certificates of now. With another certificate of ours it is connected
   * anew: a KM that did not accept the one before may accept this.
   */
  recheck(km: string): void {
    if (km !== this.name || this.#open === undefined) return;
    const { clock, log } = this.#parts;
    try {
      const endpoint = this.#options.endpoint();
      const refused = stillGood(this.#open.peer, endpoint, clock);
      if (refused !== undefined) log.warn("KM is not accepted any more", { km });
      const isRenewed = endpoint.tls?.cert !== this.#open.cert;
      if (refused === undefined && !isRenewed) return;
      if (isRenewed) this.#teller.recertified();
      this.#open.session.abandon(
        new Fault("kq2.closed", "certificates are others", { source: endpointName(endpoint) }),
      );
    } catch (error) {
      log.warn("KM cannot be checked again", { km, why: describe(error) });
    }
  }

  async stop(): Promise<void> {
    this.#looking?.cancel();
    this.#soon?.cancel();
    await this.#kept?.stop();
  }

  #tell(): void {
    if (this.#looking === undefined) return;
    if (this.#kept === undefined) {
      if (this.#teller.known) this.#begin();
      return;
    }
    const session = this.#open?.session;
    if (session === undefined) return;
    const { clock, log } = this.#parts;
    for (const { module, status } of this.#teller.due(clock.now(), session.room)) {
      try {
        session.send(module, encodeStatus(status));
      } catch (error) {
        if (!(error instanceof Fault)) throw error;
        // A defect of the node, and none that keys should suffer from: it is tried again later.
        this.#teller.answered(module, "invalid_message", clock.now());
        log.error("status cannot be told", { module, why: describe(error) });
      }
    }
  }

  #begin(): void {
    const { clock, random } = this.#parts;
    this.#kept = reconnecting({
      name: `Kq-2 of KM ${this.name}`,
      connect: (signal) => this.#connect(signal),
      onDown: (error) => this.#down(error),
      schedule: () => kq2Waits(() => this.#absent, random),
      settledAfterMs,
      clock,
      // What is to be said is said by `#down`: a KM without Kq-2 is no trouble.
      log: silentLog,
    });
  }

  async #connect(signal: AbortSignal): Promise<Kq2Session> {
    const { clock, log } = this.#parts;
    let heard = false;
    const endpoint = { ...this.#options.endpoint(), alpn };
    const socket = await connectKm(endpoint, clock, signal);
    const where = endpointName(endpoint);
    const session = new Kq2Session(socket, {
      where,
      clock,
      answered: (module, response) => {
        this.#teller.answered(module, response, clock.now());
        if (response !== "success") {
          return this.#say("warn", `the KM did not take it: ${response}`, { module });
        }
        if (heard) return;
        heard = true;
        this.#took = true;
        this.#said.clear();
        log.info("KM is told how modules are", { km: where });
      },
    });
    this.#absent = false;
    this.#open = { session, peer: peerOf(socket), cert: endpoint.tls?.cert };
    this.#teller.connected();
    this.#tell();
    return session;
  }

  #down(error: Error): void {
    this.#open = undefined;
    this.#absent = error instanceof Fault && error.code === "kq2.absent";
    this.#trouble = describe(error);
    // That the KM cannot be reached is said where keys wait for it.
    if (error instanceof Fault && error.code === "kq1.connect") return;
    if (!this.#absent) return this.#say("warn", this.#trouble);
    this.#say("info", "the KM does not have Kq-2: it is not told how modules are");
  }

  #say(level: "info" | "warn", what: string, facts: { readonly module?: string } = {}): void {
    const said = `${what} ${facts.module ?? ""}`;
    if (this.#said.has(said)) return;
    this.#said.add(said);
    this.#parts.log[level](what, facts);
  }
}
