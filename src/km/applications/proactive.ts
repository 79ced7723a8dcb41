/**
 * Proactive key supply (Q.4160 I.2): keys of a session are brought to the application at its other end, and this KM's own
 * has them when that one says that they are there. Both ends of it; over the KM link one DELIVER and its DELIVERED. Pure.
 */
import type { Timer } from "../../base/clock.ts";
import type { CkReason } from "../../wire/ck/names.ts";
import { text } from "../../wire/etsi014/names.ts";
import { badRequest, EtsiRefusal } from "../../wire/etsi014/refusal.ts";
import type {
  Deliver,
  Delivered,
  DeliveryFailure,
  DeliveryMessage,
} from "../../wire/kx/deliver-messages.ts";
import { size } from "../../wire/kx/names.ts";
import type { KeySessions, ToldSession } from "../controllers/sessions.ts";
import type { DeliveriesStatus, ProactiveStatus } from "../model/proactive-status.ts";
import type { Peer } from "../supply/peer.ts";
import type { Mailboxes, Unanswered } from "./mailboxes.ts";

/** A link, as far as keys that are brought concern it. */
export interface DeliveringLink {
  /** ID of the KM at its other end. */
  readonly peer: string;
  readonly core: {
    readonly phase: string;
    readonly version: number;
    readonly peer: Pick<Peer, "giveUp">;
    send(message: DeliveryMessage): void;
  };
}

export type ProactiveSessions = Pick<
  KeySessions,
  "create" | "close" | "use" | "deliverable" | "delivered" | "proactive"
>;

export interface ProactiveParts {
  readonly mailboxes: Mailboxes;
  readonly sessions: () => ProactiveSessions;
  /** An application is given so long to say that it has keys, ms. */
  readonly within: number;
  readonly after: (ms: number, fn: () => void) => Timer;
  readonly random: (length: number) => Buffer;
}

/** Keys of a session, for its destination. */
export interface Order {
  readonly session: string;
  readonly source: string;
  readonly destination: string;
  /** KSA-key IDs, 32 hexadecimal digits each. */
  readonly ids: readonly string[];
}

/** Orders that wait for an answer: of all applications, and of one. */
const most = { orders: 1_024, ofOne: 64 } as const;
/** The other KM's answer may be under way when its time is over, ms. */
const answerMs = 1_000;
/** An application says within this whether it takes part in a session, ms. */
const inviteMs = 5_000;
/** That a session is over is kept so long for an application that does not listen, ms. */
const overMs = 600_000;

/** What became of a delivery; `away`: the other KM was. */
type DeliveryResult = "delivered" | "away" | DeliveryFailure;

interface Pending extends Order {
  readonly link: DeliveringLink;
  readonly timer: Timer;
  readonly done: (refusal: EtsiRefusal | undefined) => void;
}

/** Keys on their way to an application of this KM. */
interface Bringing {
  readonly link: DeliveringLink;
  /** The session of the link in which they were ordered is over: what became of them is told to no end. */
  isLost: boolean;
  takeBack: () => void;
}

const failures: Readonly<Record<Unanswered, DeliveryFailure>> = {
  away: "application",
  late: "late",
  busy: "busy",
  keys: "keys",
};

const invitations: Readonly<Record<Unanswered, CkReason>> = {
  away: "not_supported",
  late: "timed_out",
  busy: "busy",
  keys: "internal_error",
};

export class ProactiveSupply {
  readonly #parts: ProactiveParts;
  /** Of this KM's applications, by the ID of the delivery in hexadecimal. */
  readonly #pending = new Map<string, Pending>();
  readonly #ofOne = new Map<string, number>();
  /** Deliveries to this KM's applications. */
  readonly #bringing = new Map<string, Bringing>();
  readonly #ordered = new Tally();
  readonly #brought = new Tally();

  constructor(parts: ProactiveParts) {
    this.#parts = parts;
  }

  /** Whether keys of a session may be ordered now. @throws EtsiRefusal */
  check(
    { core }: DeliveringLink,
    { session, source, destination, keys }: Omit<Order, "ids"> & { readonly keys: number },
  ): void {
    if (core.version === 1) throw badRequest(text.mandatoryUnmet);
    const ofOne = this.#ofOne.get(source) ?? 0;
    if (this.#pending.size >= most.orders || ofOne >= most.ofOne) {
      throw new EtsiRefusal(503, "too many keys are on their way to the other SAE", [], 1);
    }
    if (!this.#parts.sessions().use(session, source, destination, keys, "proactive")) {
      throw notOpen(session);
    }
  }

  /**
   * Has keys brought to the destination of a session: they are supplied here, and bound there.
   * @param done once: undefined when it has all of them; else none of them goes to any application
   */
  order(link: DeliveringLink, order: Order, done: Pending["done"]): void {
    const { within, after, random } = this.#parts;
    const delivery = random(size.id);
    const name = delivery.toString("hex");
    const timer = after(within + answerMs, () => this.#over(name, "late", refusals.late));
    this.#pending.set(name, { ...order, link, timer, done });
    this.#ofOne.set(order.source, (this.#ofOne.get(order.source) ?? 0) + 1);
    if (link.core.phase !== "ready") return this.#over(name, "away", refusals.away);
    const ids = Buffer.from(order.ids.join(""), "hex");
    link.core.send({ type: "deliver", delivery, session: order.session, within, ids });
  }

  /** Since the start. */
  status(): ProactiveStatus {
    const { source, destination } = this.#parts.sessions().proactive;
    return {
      source: { sessions: source, ...this.#ordered.status() },
      destination: { sessions: destination, ...this.#brought.status() },
    };
  }

  #over(name: string, result: DeliveryResult, refusal?: EtsiRefusal): void {
    const pending = this.#pending.get(name);
    if (pending === undefined) return;
    this.#pending.delete(name);
    pending.timer.cancel();
    this.#ordered.add(result, pending.ids.length);
    const left = (this.#ofOne.get(pending.source) ?? 1) - 1;
    if (left > 0) this.#ofOne.set(pending.source, left);
    else this.#ofOne.delete(pending.source);
    pending.done(refusal);
  }

  heard(link: DeliveringLink, message: DeliveryMessage): void {
    if (message.type === "deliver") this.#bring(link, message);
    else this.#answered(message);
  }

  /** A session of a link ended: what was ordered in it comes to nothing, and is not taken any more. */
  down(link: DeliveringLink): void {
    for (const [name, one] of [...this.#pending]) {
      if (one.link === link) this.#over(name, "away", refusals.away);
    }
    for (const one of [...this.#bringing.values()]) {
      if (one.link !== link) continue;
      one.isLost = true;
      one.takeBack();
    }
  }

  #answered({ delivery, failure, ids }: Delivered): void {
    const name = delivery.toString("hex");
    const pending = this.#pending.get(name);
    if (pending === undefined) return;
    const { session, source, destination } = pending;
    if (failure === undefined) {
      const all = ids.toString("hex") === pending.ids.join("");
      return all ? this.#over(name, "delivered") : this.#over(name, "refused", refusals.refused);
    }
    if (failure !== "session") return this.#over(name, failure, refusals[failure]);
    this.#parts.sessions().close(source, destination);
    this.#over(name, failure, notOpen(session));
  }

  #bring(link: DeliveringLink, { delivery, session, within, ids }: Deliver): void {
    const { mailboxes } = this.#parts;
    const sessions = this.#parts.sessions();
    const name = delivery.toString("hex");
    if (this.#bringing.has(name)) return;
    const keys = idsIn(ids);
    const bringing: Bringing = { link, isLost: false, takeBack: () => {} };
    const end = (failure?: DeliveryFailure) => {
      this.#bringing.delete(name);
      this.#brought.add(bringing.isLost ? "away" : (failure ?? "delivered"), keys.length);
      // What was not handed over goes to no application any more.
      if (failure !== undefined) link.core.peer.giveUp(keys);
      else sessions.delivered(session, keys.length);
      const had = failure === undefined ? ids : Buffer.alloc(0);
      link.core.send({ type: "delivered", delivery, ids: had, ...(failure && { failure }) });
    };
    const told = sessions.deliverable(session, link.peer);
    if (told === undefined) return end("session");
    this.#bringing.set(name, bringing);
    const notice = { session, source: told.source, keys };
    bringing.takeBack = mailboxes.tell(told.destination, notice, within, (result) => {
      if (typeof result === "string") end(failures[result]);
      else end(result.accepted ? undefined : "refused");
    });
  }

  /** Asks an application whether it takes part in a session. @param done once: why not; undefined: it does */
  invite(
    { id, source, destination }: ToldSession,
    done: (why: CkReason | undefined) => void,
  ): void {
    this.#parts.mailboxes.tell(destination, { session: id, source }, inviteMs, (result) => {
      if (typeof result === "string") done(invitations[result]);
      else done(result.accepted ? undefined : "unauthorized");
    });
  }

  /** Tells an application that a session is over. */
  over({ id, source, destination }: ToldSession): void {
    const notice = { session: id, source, isOver: true } as const;
    this.#parts.mailboxes.leave(destination, notice, overMs);
  }
}

/** What became of deliveries. */
class Tally {
  readonly #deliveries = new Map<DeliveryResult, number>();
  #keys = 0;

  add(result: DeliveryResult, keys: number): void {
    this.#deliveries.set(result, (this.#deliveries.get(result) ?? 0) + 1);
    if (result === "delivered") this.#keys += keys;
  }

  status(): Omit<DeliveriesStatus, "sessions"> {
    return { deliveries: Object.fromEntries(this.#deliveries), keys: this.#keys };
  }
}

function idsIn(bytes: Buffer): string[] {
  const hex = bytes.toString("hex");
  const digits = size.id * 2;
  return Array.from({ length: hex.length / digits }, (_, i) =>
    hex.slice(i * digits, (i + 1) * digits),
  );
}

function notOpen(session: string): EtsiRefusal {
  return badRequest(text.mandatoryUnmet, [{ session_ID: session }]);
}

const refusals = {
  away: new EtsiRefusal(503, "the KME of the other SAE cannot be reached", [], 1),
  application: new EtsiRefusal(503, "the other SAE does not listen for keys", [], 5),
  refused: new EtsiRefusal(503, "the other SAE did not take the keys", [], 5),
  late: new EtsiRefusal(503, "the other SAE did not take the keys in time", [], 1),
  busy: new EtsiRefusal(503, "too many keys are on their way to the other SAE", [], 1),
  keys: new EtsiRefusal(503, "the keys were lost on their way to the other SAE", [], 0),
} as const;
