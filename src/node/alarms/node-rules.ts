/** The alarm rules of the node itself: certificates, clock, storage, links in the clear, broker. */

import { clockPlausible } from "../../base/clock.ts";
import { step, threshold } from "../../ops/alarms/rules.ts";
import type { Level, Moment } from "../../ops/alarms/severity.ts";
import type { AlarmBook } from "./book.ts";

export interface NodeRuleOptions {
  /** Days before the end of a certificate from which on it is told. */
  readonly certificateDays: number;
  /** Free part of the disk below which storage is nearly full, 0 to 1. */
  readonly storageFree: number;
  /** Part of a revocation list's life below which that it runs out is told, 0 to 1; default 0.25. */
  readonly crlLeft?: number;
}

/** A certificate's validity, ms since 1970 UTC; undefined if it can't be read. */
export interface Validity {
  readonly from: number;
  readonly to: number;
}

/** The revocation lists of a file, as far as alarms go by them. */
export interface ListsValidity {
  readonly lists: readonly {
    readonly issuer: string;
    /** Part of its life that is left, 0 to 1. */
    readonly left: number;
    /** ms since 1970 UTC */
    readonly nextUpdate: number | undefined;
    readonly problem: string | undefined;
  }[];
  /** CAs that have none. */
  readonly missing: readonly string[];
  /** Why none of it can be used. */
  readonly unusable: string | undefined;
}

const hour = 3_600_000;
const day = 86_400_000;
const urgentDays = 7;
/** A clock that moved this far against the monotonic one was set, ms. */
const jump = 60_000;
const storageCritical = 0.02;
const resourceWarning = 0.8;
const resourceMajor = 0.95;

export class NodeRules {
  readonly #options: NodeRuleOptions;
  readonly #book: AlarmBook;
  #storage: Level = "cleared";
  readonly #resources = new Map<string, Level>();
  /** Wall clock minus monotonic clock, ms. */
  #offset: number | undefined;

  constructor(options: NodeRuleOptions, book: AlarmBook) {
    this.#options = options;
    this.#book = book;
  }

  /** @param object whose certificate: `km.NAME` or `manager` */
  certificate(object: string, validity: Validity | undefined, moment: Moment): void {
    const days = ((validity?.to ?? 0) - moment.wall) / day;
    const invalid = validity === undefined || days <= 0 || moment.wall < validity.from;
    const why = validity === undefined ? "unreadable" : days <= 0 ? "expired" : "not valid yet";
    this.#book.signal(
      "certificate_invalid",
      object,
      { level: invalid ? "critical" : "cleared", ...(invalid && { detail: why }) },
      moment,
    );
    const soon = !invalid && days <= this.#options.certificateDays;
    const level = !soon ? "cleared" : days <= urgentDays ? "major" : "warning";
    const value = Math.floor(days);
    const limit = this.#options.certificateDays;
    this.#book.signal("certificate_expiring", object, { level, value, threshold: limit }, moment);
  }

  /**
   * @param object whose lists: `km.NAME`, `server` or `manager`
   * @param fresh a list that has run out refuses every peer
   */
  lists(object: string, found: ListsValidity, fresh: boolean, moment: Moment): void {
    const bad = found.lists.find(({ problem }) => problem !== undefined);
    const missing = found.missing[0];
    const why =
      found.unusable ??
      (bad !== undefined ? `list of ${bad.issuer} ${bad.problem}` : undefined) ??
      (missing !== undefined ? `there is no list of ${missing}` : undefined);
    const ranOut = found.lists.some(({ left }) => left === 0);
    const worst = found.unusable !== undefined || (fresh && ranOut) ? "critical" : "major";
    this.#book.signal(
      "crl_invalid",
      object,
      why === undefined ? { level: "cleared" } : { level: worst, detail: why },
      moment,
    );
    const { crlLeft = 0.25 } = this.#options;
    const [next] = found.lists
      .filter(({ left, problem }) => left <= crlLeft && problem === undefined)
      .sort((a, b) => a.left - b.left);
    const left = (next?.nextUpdate ?? 0) - moment.wall;
    this.#book.signal(
      "crl_expiring",
      object,
      next === undefined
        ? { level: "cleared" }
        : { level: "warning", value: Math.floor(left / hour), detail: `h left: ${next.issuer}` },
      moment,
    );
  }

  /**
   * @param object where keys travel: `km.NAME` or `server`
   * @param classical a key exchange there that is not post-quantum; undefined: there is none
   */
  keyExchange(object: string, classical: string | undefined, moment: Moment): void {
    this.#book.signal(
      "classical_link",
      object,
      classical === undefined ? { level: "cleared" } : { level: "warning", detail: classical },
      moment,
    );
  }

  /** Called every second or so. */
  clock(moment: Moment): void {
    const offset = moment.wall - moment.now;
    const moved = offset - (this.#offset ?? offset);
    this.#offset = offset;
    if (!clockPlausible(moment.wall)) {
      const detail = "before this software existed";
      this.#book.occurred("clock_implausible", "node", moment, { detail });
    } else if (Math.abs(moved) > jump) {
      const value = Math.round(moved / 1_000);
      this.#book.occurred("clock_implausible", "node", moment, { detail: "jumped", value });
    }
  }

  /** @param free part of the disk with the node's state, 0 to 1 */
  storage(free: number, moment: Moment): void {
    const { storageFree } = this.#options;
    const steps = [step("critical", storageCritical, "below"), step("major", storageFree, "below")];
    this.#storage = threshold(this.#storage, free, steps, "below");
    const limit = this.#storage === "critical" ? storageCritical : storageFree;
    const value = Number(free.toPrecision(3));
    this.#book.signal(
      "storage_full",
      "node",
      { level: this.#storage, value, threshold: limit },
      moment,
    );
  }

  /** @param carriesKeys whether keys go over the link */
  plainLink(object: string, carriesKeys: boolean, moment: Moment): void {
    this.#book.signal("plain_link", object, { level: carriesKeys ? "major" : "warning" }, moment);
  }

  /** @param part of what there is, 0 to 1 */
  resource(name: string, part: number, moment: Moment): void {
    const steps = [
      step("major", resourceMajor, "above"),
      step("warning", resourceWarning, "above"),
    ];
    const level = threshold(this.#resources.get(name) ?? "cleared", part, steps, "above");
    this.#resources.set(name, level);
    const limit = level === "major" ? resourceMajor : resourceWarning;
    const value = Number(part.toPrecision(3));
    this.#book.signal("resources_low", `node.${name}`, { level, value, threshold: limit }, moment);
  }

  /** @param times that it failed lately */
  crashed(times: number, moment: Moment): void {
    this.#book.occurred("crash_loop", "node", moment, { value: times });
  }

  /** @param object which file: `state`, `outbox`, `ledger.MODULE` */
  damaged(object: string, why: string, moment: Moment): void {
    this.#book.signal("state_damaged", object, { level: "critical", detail: why }, moment);
  }

  /** A file that could not be written can be again. */
  repaired(object: string, moment: Moment): void {
    this.#book.signal("state_damaged", object, { level: "cleared" }, moment);
  }
}
