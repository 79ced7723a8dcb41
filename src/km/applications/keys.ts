/**
 * Keys for applications (Y.3803 §8.2.2, §8.2.4): "Get key" and "Get key with key IDs" of ETSI GS QKD 014, up to the
 * bytes: these are the caller's to read. Pure.
 */

import type { Duration } from "../../base/duration.ts";
import { always, type IsWanted } from "../../base/wanted.ts";
import { asUuid } from "../../wire/etsi014/key-ids.ts";
import {
  type KeyLimits,
  type KeyRequest,
  meets,
  type SecurityLevel,
} from "../../wire/etsi014/key-request.ts";
import { text } from "../../wire/etsi014/names.ts";
import { badRequest, EtsiRefusal, unauthorized } from "../../wire/etsi014/refusal.ts";
import { limits } from "../../wire/kx/names.ts";
import type { LinkBooks } from "../store/books.ts";
import { useOf } from "../store/sae-set.ts";
import type { Use } from "../store/shapes.ts";
import type { Owner } from "../supply/owner.ts";
import type { Peer } from "../supply/peer.ts";
import type { Request, Shortage } from "../supply/request.ts";
import { KeyAllowance } from "./allowance.ts";
import { Counts, countGranted, type PairCounts } from "./counts.ts";
import { FairTurns } from "./fair.ts";
import { type Found, notAtOnce, setOfKeys } from "./found.ts";
import { KeysInSession } from "./keys-in-session.ts";
import { noSession } from "./no-session.ts";
import { Outstanding } from "./outstanding.ts";
import { Prepared } from "./prepared.ts";
import type { DeliveringLink } from "./proactive.ts";
import { noKeys, stalledStore } from "./shortages.ts";
import type { Application, ApplicationTable } from "./table.ts";

/** A link, as far as keys for applications concern it. */
export interface KeyLink {
  readonly name: string;
  /** ID of the KM at its other end. */
  readonly peer: string;
  /** Its keys were relayed: some may have been under AES on their way. */
  readonly isRelayed?: boolean;
  /** Whether both KMs have the same table of applications, as far as is known. */
  readonly isSamePolicy?: boolean;
  /** What all of its stock is at least. */
  readonly level: SecurityLevel;
  readonly core: {
    readonly phase: string;
    readonly books: LinkBooks;
    readonly owner: Pick<Owner, "request" | "preOffer" | "prepared">;
    readonly peer: Pick<Peer, "take" | "giveUp">;
  } & Pick<DeliveringLink["core"], "version" | "send">;
}

/** Keys that an application may have, of a link: their bytes are read next. */
export interface Granted {
  readonly link: string;
  readonly uses: readonly Use[];
  /** What they are at least. */
  readonly level: SecurityLevel;
}

export type Grant = (result: Granted | EtsiRefusal) => void;

/** Relays so many bytes for a link. @param done whether they came: what is compared next is stock a moment later */
export type More = (bytes: number, isWanted: IsWanted, done: (came: boolean) => void) => void;

export interface KeysOptions {
  readonly me: string;
  readonly table: () => ApplicationTable;
  readonly links: readonly KeyLink[];
  /**
   * Whether an application may have keys with others now; asked for those that want sessions alone.
   * @param done once: why not; undefined: it may
   */
  readonly session?: (
    master: string,
    slaves: readonly string[],
    keys: number,
    done: (why: string | undefined) => void,
  ) => void;
  /** Default: no application may be brought keys. */
  readonly inSession?: KeysInSession;
  /** What brings a link more stock, if anything does. */
  readonly more?: (link: string) => More | undefined;
  readonly limits: KeyLimits;
  /** Keys that may be on their way on all links together. */
  readonly outstanding: number;
  /** How long the other application may take to fetch a key, s. */
  readonly pickUp: number;
  /** An answer comes within this, ms. */
  readonly answerTimeout: Duration;
  /** Keys of the standard length that are prepared on each link. */
  readonly prepared: number;
  /** Whether the disk of the store answers nothing now; default: it does. */
  readonly isStalled?: () => boolean;
  /** Monotonic, ms. */
  readonly now: () => number;
  /** Calls back after so long, ms. */
  readonly after: (ms: number, fn: () => void) => void;
}

/** A key that its slave asks for before the word of its assignment is here is looked for again, ms … */
const againMs = 5;
/** … for so long. */
const assignedWithinMs = 500;

/** What is decided is on disk and read within this, or its application is answered without it, ms. */
const diskMs = 2_000;

/** Requests under way at a time, and those of one application that wait. */
const atOnce = 512;
const waitingOfOne = 256;

/** The Status of ETSI GS QKD 014 (§6.1). */
export interface KeyStatus {
  readonly source_KME_ID: string;
  readonly target_KME_ID: string;
  readonly master_SAE_ID: string;
  readonly slave_SAE_ID: string;
  readonly key_size: number;
  readonly stored_key_count: number;
  readonly max_key_count: number;
  readonly max_key_per_request: number;
  readonly max_key_size: number;
  readonly min_key_size: number;
  readonly max_SAE_ID_count: number;
}

/** A question that may be answered. */
interface Asked {
  readonly caller: Application;
  readonly link: KeyLink;
  readonly use: string;
  readonly request: KeyRequest;
  readonly count: PairCounts;
  /** To which the keys are brought, in the session of the request. */
  readonly slave: string;
  /** Monotonic, ms. */
  readonly deadline: number;
  readonly isWanted: IsWanted;
}

export class ApplicationKeys {
  readonly #options: KeysOptions;
  readonly #turns = new FairTurns(atOnce, waitingOfOne);
  readonly #allowance = new KeyAllowance();
  readonly #outstanding: Outstanding;
  readonly #counts = new Counts();
  readonly #prepared: Prepared;
  readonly #inSession: KeysInSession;

  constructor(options: KeysOptions) {
    this.#options = options;
    this.#inSession = options.inSession ?? new KeysInSession();
    this.#outstanding = new Outstanding(options.links, options.outstanding);
    const { prepared: keys, limits, pickUp, answerTimeout: deadlineMs, now } = options;
    this.#prepared = new Prepared({ keys, length: limits.standard / 8, pickUp, deadlineMs, now });
  }

  /** Prepares keys where there are applications for them. Some ten times a second. */
  tick(): void {
    // What was offered and is not bound in time is void.
    if (this.#options.isStalled?.()) return;
    const table = this.#options.table();
    this.#allowance.keep((id) => table.get(id) !== undefined);
    for (const link of this.#options.links) {
      if (table.hasPairs(link.peer)) this.#prepared.fill(link);
    }
  }

  get limits(): KeyLimits {
    return this.#options.limits;
  }

  /** By use: see {@link useOf}. */
  get counts(): ReadonlyMap<string, Readonly<PairCounts>> {
    return this.#counts.all;
  }

  /** A request is answered within this, ms: what the links take, and then the disk. @param isBrought its keys are, to the other */
  withinMs(isBrought: boolean): number {
    const { answerTimeout } = this.#options;
    return answerTimeout * (isBrought ? 2 : 1) + diskMs;
  }

  get waiting(): number {
    return this.#turns.waiting;
  }

  /** "Get status" (§5.1). @throws EtsiRefusal */
  status(caller: Application, slaveId: string, capacityBytes: number): KeyStatus {
    const { me, limits } = this.#options;
    const { slave, link } = this.#partner(caller, slaveId);
    const { stock, side } = link.core.books;
    const bytes = limits.standard / 8;
    return {
      source_KME_ID: me,
      target_KME_ID: slave.km,
      master_SAE_ID: caller.id,
      slave_SAE_ID: slave.id,
      key_size: limits.standard,
      stored_key_count: Math.floor(stock.free(side) / bytes) + link.core.owner.prepared(bytes),
      max_key_count: Math.floor(capacityBytes / bytes),
      max_key_per_request: limits.number,
      max_key_size: limits.most,
      min_key_size: limits.least,
      max_SAE_ID_count: limits.saes,
    };
  }

  /** "Get key" (§5.2). @param done once */
  give(
    caller: Application,
    slaveId: string,
    request: KeyRequest,
    done: Grant,
    isWanted = always,
  ): void {
    const { session, now, answerTimeout } = this.#options;
    const slaves = [slaveId, ...request.additional];
    const { link, use } = this.#set(caller, slaves);
    // Where keys were relayed those that are less are left out.
    const most = link.isRelayed ? "otp" : link.level;
    if (!meets(most, request.level)) throw new EtsiRefusal(400, text.mandatoryUnmet);
    const asked: Asked = {
      ...{ caller, link, use, request, count: this.#counts.of(use, link.peer), slave: slaveId },
      deadline: now() + answerTimeout,
      isWanted,
    };
    if (request.session !== undefined) {
      this.#inSession.check(asked);
      return this.#give(asked, done);
    }
    if (!caller.sessions || session === undefined) return this.#give(asked, done);
    session(caller.id, slaves, request.number, (why) => {
      if (why === undefined) return this.#give(asked, done);
      asked.count.refused++;
      done(noSession(why));
    });
  }

  #give(asked: Asked, done: Grant): void {
    const { caller, link, use, request, count, deadline, isWanted } = asked;
    const { now, pickUp } = this.#options;
    const wait = this.#allowance.take(caller.id, request.number, caller.rate, now());
    if (wait > 0) {
      count.refused++;
      return done(new EtsiRefusal(429, "more keys than the SAE may have", [], wait));
    }
    const otpOnly = request.level === "otp" && link.isRelayed === true;
    const level = otpOnly ? "otp" : link.level;
    const agreed = link.isSamePolicy === false;
    const only = { ...(otpOnly && { otpOnly }), ...(agreed && { agreed }) };
    const length = request.size / 8;
    const wanted = { use, keys: request.number, length, pickUp, deadline, isWanted, ...only };
    const amount = { keys: request.number, bits: request.number * request.size };
    const held = this.#outstanding.hold(link, caller, amount, now());
    if (typeof held === "string") {
      count.refused++;
      this.#allowance.giveBack(caller.id, request.number);
      return done(new EtsiRefusal(503, held, [], 1));
    }
    const answered: Grant = (result) => {
      held(!(result instanceof EtsiRefusal));
      if (!(result instanceof EtsiRefusal)) return this.#inSession.bring(asked, result, done);
      this.#allowance.giveBack(caller.id, request.number);
      done(result);
    };
    this.#inTurn(caller, count, answered, (end) => {
      this.#request(link, wanted, (result) => {
        if (typeof result !== "string") return end({ link: link.name, uses: result, level });
        end(noKeys(result));
      });
      this.#prepared.fill(link);
    });
  }

  /** Where stock is short and can be relayed, that is done once, and waited for. */
  #request(link: KeyLink, wanted: Request, done: (result: Use[] | Shortage) => void): void {
    const { now, after, more } = this.#options;
    const { owner } = link.core;
    owner.request(wanted, (first) => {
      const relay = first === "stock" ? more?.(link.name) : undefined;
      if (relay === undefined) return done(first);
      const again = () =>
        owner.request(wanted, (result) => {
          const waits = result === "stock" && now() + againMs < wanted.deadline;
          if (waits) after(againMs, again);
          else done(result);
        });
      relay(wanted.keys * wanted.length, wanted.isWanted ?? always, (came) => {
        if (came) again();
        else done("stock");
      });
    });
  }

  /** The set of a request, all of whose slaves are of one KM. @throws EtsiRefusal */
  #set(caller: Application, slaves: readonly string[]): { link: KeyLink; use: string } {
    const [first, ...others] = slaves.map((id) => this.#partner(caller, id).link);
    if (first === undefined || others.some((link) => link !== first)) {
      throw badRequest("the SAEs that are to get the keys are of different KMEs");
    }
    if (others.length > 0 && new Set(slaves).size < slaves.length) {
      throw badRequest("an SAE is named twice");
    }
    const use = useOf([caller.id, ...slaves]);
    if (Buffer.byteLength(use) > limits.useBytes) throw badRequest("too many SAEs with long IDs");
    return { link: first, use };
  }

  /** "Get key with key IDs" (§5.3): all of them, or nothing changes. @param ids 32 hexadecimal digits each */
  take(
    caller: Application,
    masterId: string,
    ids: readonly string[],
    done: Grant,
    isWanted = always,
  ): void {
    const { now } = this.#options;
    const { slave: master, link } = this.#partner(caller, masterId);
    const count = this.#counts.of(useOf([master.id, caller.id]), link.peer);
    const until = now() + assignedWithinMs;
    const deadline = now() + this.#options.answerTimeout;
    this.#inTurn(caller, count, done, (end) => {
      const look = () => {
        const found = setOfKeys(link.core.books.uses, ids, master.id, caller.id);
        if (typeof found === "object") this.#fetch(link, found, ids, { deadline, isWanted }, end);
        else if (found === "soon" && now() < until) this.#options.after(againMs, look);
        else if (found === "soon") {
          end(new EtsiRefusal(503, "the keys are not assigned yet", [], 0));
        } else if (found === "others") end(unauthorized());
        else end(badRequest(notAtOnce[found]));
      };
      look();
    });
  }

  #fetch(
    link: KeyLink,
    { use, slave }: Found,
    ids: readonly string[],
    asked: Pick<Asked, "deadline" | "isWanted">,
    end: Grant,
  ): void {
    const fetched = (result: readonly Use[] | "unknown" | "late") => {
      if (typeof result !== "string")
        return end({ link: link.name, uses: result, level: link.level });
      if (result === "unknown") {
        const details = ids.length === 1 ? [{ key_ID: asUuid(ids[0] as string) }] : [];
        return end(badRequest(text.notFound, details));
      }
      end(noKeys(link.core.phase === "ready" ? "late" : "away"));
    };
    link.core.peer.take(use, ids, asked.deadline, fetched, slave, asked.isWanted);
  }

  #inTurn(caller: Application, count: PairCounts, done: Grant, work: (end: Grant) => void): void {
    if (this.#options.isStalled?.()) {
      count.refused++;
      return done(stalledStore());
    }
    const isTaken = this.#turns.add(caller.id, (next) =>
      work((result) => {
        if (result instanceof EtsiRefusal) count.refused++;
        else countGranted(count, result.uses);
        next();
        done(result);
      }),
    );
    if (isTaken) return;
    count.refused++;
    done(new EtsiRefusal(503, "too many requests of the SAE wait", [], 1));
  }

  /** @throws EtsiRefusal if they may share no keys */
  checkPair(caller: Application, other: string): void {
    this.#partner(caller, other);
  }

  /** @throws EtsiRefusal if they may share no keys */
  #partner(caller: Application, id: string): { slave: Application; link: KeyLink } {
    const { table, links, me } = this.#options;
    const slave = table().get(id);
    if (slave === undefined || !table().mayShare(caller.id, id)) throw unauthorized();
    if (slave.km === me) throw badRequest("both SAEs are of this KME: no QKD link is between them");
    const link = links.find(({ peer }) => peer === slave.km);
    if (link === undefined) throw badRequest("no QKD link leads to the KME of the other SAE");
    return { slave, link };
  }
}
