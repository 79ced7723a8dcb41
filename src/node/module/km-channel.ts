/** One KM of one module: kept connected by itself, with the certificates of the moment. */

import type { Clock } from "../../base/clock.ts";
import type { Duration } from "../../base/duration.ts";
import { describe, Fault } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import { backoff } from "../../base/retry.ts";
import type { TaskBegin } from "../../host/life/progress.ts";
import { type Reconnecting, reconnecting } from "../../host/life/reconnecting.ts";
import { kmWaits } from "../../host/life/waits.ts";
import type { PairOf } from "../../wire/kq1/epoch-names.ts";
import { Heard } from "../../wire/kq1/heard.ts";
import type { Custody } from "../custody/custody.ts";
import { endpointName, type KmEndpoint } from "../io/connect.ts";
import { type KmSession, openKmLink } from "../io/link.ts";
import type { KmLinkState } from "../model/local.ts";
import type { KmView } from "../model/manager.ts";

export interface KmOptions {
  readonly name: string;
  /** The name that its certificate must carry. */
  readonly serverName: string;
  /** Reads the certificates as they are now. @throws Fault `kq1.connect` */
  readonly endpoint: () => KmEndpoint;
  /** How to reach it over HTTPS; undefined: over TCP. */
  readonly https: { readonly path: string; readonly connections: number } | undefined;
  readonly window: number;
  /** Whether messages have a `hash_value`; they do unless told otherwise. */
  readonly hashValue?: boolean;
  readonly answerTimeout: Duration;
  /** Told whether the KM answers for its keys; default: not told. */
  readonly heard?: Heard;
}

/** The same as the local sockets tell it. */
export function linkState({ name, condition, trouble, keyExchange }: KmView): KmLinkState {
  return {
    name,
    up: condition === "UP",
    awaited: condition === "AWAITED",
    reason: trouble,
    ...(keyExchange !== undefined && { key_exchange: keyExchange }),
  };
}

/** The groups of key exchange of those that are connected, each once. */
export function keyExchanges(kms: readonly KmView[]): { readonly key_exchange?: string } {
  const groups = new Set(kms.flatMap(({ keyExchange }) => keyExchange ?? []));
  return groups.size === 0 ? {} : { key_exchange: [...groups].join(", ") };
}

export interface KmChannelParts {
  readonly custody: Custody;
  /** The pair of modules that an epoch's keys are of, where one is recorded. */
  readonly pairOf?: PairOf;
  readonly clock: Clock;
  readonly log: Log;
  readonly random: () => number;
  readonly task?: TaskBegin | undefined;
  /** The connection came, or went for the reason given. */
  readonly onChange: (down: Error | undefined) => void;
}

const settledAfterMs = 5_000;

export class KmChannel {
  readonly options: KmOptions;
  readonly #parts: KmChannelParts;
  /** One for all connections: lines that a KM can cause are limited by log. */
  readonly #kq1Log: Log;
  #kept: Reconnecting | undefined;
  /** The pair of modules that the KM is told of. */
  #modules: string | undefined;
  #session: KmSession | undefined;
  #trouble = "not connected yet";

  constructor(options: KmOptions, parts: KmChannelParts) {
    this.options = options;
    this.#parts = parts;
    this.#kq1Log = parts.log.child("kq1");
  }

  get up(): boolean {
    return this.#session !== undefined;
  }

  /** Group of the key exchange with the KM that is connected; undefined without TLS. */
  get keyExchange(): string | undefined {
    return this.#session?.peer?.group;
  }

  /** Why it is not connected. */
  get trouble(): string {
    return this.#trouble;
  }

  /** Begins, once the module is known; anew if it is another one, or is paired with another. */
  start(moduleId: string, matchingModuleId: string): void {
    const { clock, log, random, task } = this.#parts;
    const modules = `${moduleId}\0${matchingModuleId}`;
    if (this.#modules === modules) return;
    this.#modules = modules;
    let before = this.#kept?.stop();
    this.#kept = reconnecting({
      name: `KM ${this.options.name}`,
      connect: async (signal) => {
        await before;
        if (before !== undefined) this.#down(new Fault("kq1.closed", "the module is another one"));
        before = undefined;
        return this.#connect(moduleId, matchingModuleId, signal);
      },
      onDown: (error) => this.#down(error),
      schedule: () => backoff({ ...kmWaits, random }),
      settledAfterMs,
      clock,
      log,
      task,
    });
  }

  async stop(): Promise<void> {
    await this.#kept?.stop();
  }

  /**
   * Checks what is connected with the certificates of now: it goes on as long as the KM is one that they
   * accept. Certificates that cannot be read change nothing.
   */
  recheck(): void {
    const { log } = this.#parts;
    const km = this.options.name;
    try {
      const why = this.#session?.recheck(this.options.endpoint());
      if (why !== undefined) log.warn("KM is not accepted any more", { km, why });
    } catch (error) {
      log.warn("KM cannot be checked again", { km, why: describe(error) });
    }
  }

  async #connect(
    moduleId: string,
    matchingModuleId: string,
    signal: AbortSignal,
  ): Promise<KmSession> {
    const { custody, clock, log, onChange, pairOf } = this.#parts;
    const { name, https, window, hashValue = true, answerTimeout } = this.options;
    const { heard = new Heard() } = this.options;
    const endpoint = this.options.endpoint();
    const session = await openKmLink(
      {
        name,
        endpoint,
        https,
        moduleId,
        matchingModuleId,
        ...(pairOf && { pairOf }),
        window,
        hashValue,
        answerTimeout,
        heard,
        desk: custody.desk,
        clock,
        log: this.#kq1Log,
      },
      custody,
      signal,
    );
    const km = endpointName(endpoint);
    log.info("KM connected", {
      name,
      km,
      tls: endpoint.tls !== undefined,
      https: https !== undefined,
      ...(session.peer !== undefined && { key_exchange: session.peer.group }),
    });
    if (endpoint.tls === undefined) log.warn("keys are readable on the way to the KM", { km });
    this.#session = session;
    // Files that changed while it was being made.
    this.recheck();
    onChange(undefined);
    custody.kmUp(session, name);
    return session;
  }

  #down(error: Error): void {
    this.#parts.custody.kmDown(this.options.name);
    this.#session = undefined;
    this.#trouble = describe(error);
    this.#parts.onChange(error);
  }
}
