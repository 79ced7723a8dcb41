/** What the key manager's state and events mean for its alarms. Pure: time is passed in. */
import { type Duration, ms } from "../../base/duration.ts";
import { counted } from "../../base/words.ts";
import type { FlapLimits, Transition } from "../../ops/alarms/alarm.ts";
import type { MachineRuleOptions } from "../../ops/alarms/machine-alarms.ts";
import { ProgramAlarms } from "../../ops/alarms/program-alarms.ts";
import { step, threshold } from "../../ops/alarms/rules.ts";
import type { Level, Moment } from "../../ops/alarms/severity.ts";
import type { RelayPairStatus } from "../model/relay-status.ts";
import type { KmStatus, LinkStatus } from "../model/status.ts";
import { isDiskFull } from "../model/verdict.ts";
import type { LinkEvent } from "../peer/events.ts";
import { catalogue, type KmAlarmName } from "./catalogue.ts";

/** Bits of one's own that are little, where none is configured. */
const littleBits = 65_536;
const usualFlap: FlapLimits = { count: 5, window: ms(600_000), quiet: ms(300_000) };
/** A tired disk takes some seconds now and then, s. */
const stalledAfterS = 10;
/** Longest that an alarm waits before it is cleared, where none is configured, ms. */
const usualClearMs = 30_000;
const fillSteps = [step("critical", 0.95, "above"), step("warning", 0.8, "above")];

const usualMachine: MachineRuleOptions = { certificateDays: 30 };

export interface KmAlarmOptions {
  /** Keys come in without TLS. */
  readonly plain: boolean;
  readonly flap?: FlapLimits;
  /** How long the other key manager is away before it is told, and back before that is over, ms. */
  readonly peerAway?: Duration;
  /** How long no controller is connected before it is told, ms. */
  readonly controllerAway?: Duration;
  readonly machine?: MachineRuleOptions;
  readonly onTransition?: (transition: Transition) => void;
}

function waitingText(keys: number): string {
  return counted(keys, "key waits", "keys wait");
}

export class KmAlarms extends ProgramAlarms<KmAlarmName> {
  readonly #plain: boolean;
  #fill: Level = "cleared";
  /** Links whose other end makes no one-time MAC. */
  readonly #bare = new Set<string>();

  constructor(options: KmAlarmOptions) {
    const { plain, flap, peerAway, controllerAway, machine, onTransition } = options;
    super({
      catalogue,
      flap: flap ?? usualFlap,
      timing: (name) => {
        const away = { peer_away: peerAway, controller_away: controllerAway };
        const after = name in away ? away[name as keyof typeof away] : undefined;
        if (after === undefined) return undefined;
        return { raiseAfterMs: after, clearAfterMs: Math.min(after, usualClearMs) };
      },
      machine: machine ?? usualMachine,
      object: "km",
      onTransition,
    });
    this.#plain = plain;
  }

  /** The state of now; at least once a second. */
  look({ store, links, modules, relay, controllers = [] }: KmStatus, moment: Moment): void {
    this.signal("plain_link", "kq1", this.#plain ? "major" : "cleared", moment);
    const fill = store.limit_bytes === 0 ? 0 : store.disk_bytes / store.limit_bytes;
    this.#fill = store.full ? "critical" : threshold(this.#fill, fill, fillSteps, "above");
    const why = isDiskFull(store) ? "the disk has no room, " : "";
    const detail = `${why}${Math.round(fill * 100)} % of its limit`;
    this.signal("store_full", "store", this.#fill, moment, detail);
    const { stalled_s: stalled = 0 } = store;
    const isStalled = stalled >= stalledAfterS;
    const disk: Level = isStalled ? "critical" : "cleared";
    this.signal("store_stalled", "store", disk, moment, `for ${stalled} s so far`);
    const { fails, left_over } = store.master_key.next_start ?? {};
    const [level, told]: [Level, string?] =
      fails !== undefined
        ? ["major", `the next start would fail: ${fails}`]
        : left_over !== undefined
          ? ["warning", `${left_over} is left of a re-key`]
          : ["cleared"];
    this.signal("master_key", "store", level, moment, told);
    for (const link of links) {
      const pair = relay?.pairs.find((one) => one.link === link.name);
      this.#link(link, pair !== undefined, isStalled, moment);
      if (pair !== undefined) this.#relays(link, pair, moment);
    }
    for (const { name, told } of modules) {
      const level = told === undefined || told.current ? "cleared" : "minor";
      this.signal("node_silent", name, level, moment, `told last by ${told?.node}`);
    }
    const isAlone = controllers.length > 0 && !controllers.some(({ connected }) => connected);
    const names = controllers.map(({ name }) => name).join(", ");
    this.signal("controller_away", "ck", isAlone ? "minor" : "cleared", moment, names);
    this.book.tick(moment);
  }

  /** How much should be there is the policy of its pool. */
  #relays(link: LinkStatus, pair: RelayPairStatus, moment: Moment): void {
    const { low_bits = littleBits, failing_since, last_failure: last } = pair;
    const little = link.stock_bits + link.peer_stock_bits < low_bits;
    const fails = failing_since !== undefined && little && link.session === "ready";
    const detail =
      last && `${last.failure} at ${last.at}, by way of ${last.route.join(", ") || "no route"}`;
    this.signal("relay_fails", link.name, fails ? "major" : "cleared", moment, detail);
  }

  #link(link: LinkStatus, isRelayed: boolean, isStalled: boolean, moment: Moment): void {
    const { name, session, waiting_keys, stock_bits, peer_stock_bits, key_exchange } = link;
    const ready = session === "ready";
    const when = (holds: boolean, level: Level): Level => (holds ? level : "cleared");
    this.signal("peer_away", name, when(!ready, "major"), moment, waitingText(waiting_keys));
    // While the store's own disk does not answer nothing is compared, whatever the other end has.
    const waits = ready && !isStalled && waiting_keys > 0 && link.oldest_s > 60;
    const why = this.#bare.has(name) ? ": matching_mac of the link differs at the two ends" : "";
    const detail = `${waitingText(waiting_keys)}, the oldest for ${Math.round(link.oldest_s)} s${why}`;
    this.signal("matching_fails", name, when(waits, "major"), moment, detail);
    const little =
      ready && !isRelayed && link.matched_bits > 0 && stock_bits + peer_stock_bits < littleBits;
    this.signal("stock_low", name, when(little, "minor"), moment, `${stock_bits} bits are its own`);
    const differs = ready && !link.same_policy;
    this.signal("policy_differs", name, when(differs, "warning"), moment);
    const classical = key_exchange !== undefined && !key_exchange.includes("MLKEM");
    this.signal("classical_link", name, when(classical, "warning"), moment, key_exchange);
  }

  /** Something happened on a link. */
  told(link: string, event: LinkEvent, moment: Moment): void {
    if (event.type === "macMissing") this.#bare.add(link);
    else if (event.type === "matched") this.#bare.delete(link);
    else if (event.type === "differs") this.book.occurred("keys_differ", link, moment, {});
    else if (event.type === "expired") {
      const isLacked = event.lackedBy === "them";
      const why = isLacked ? "lacked by the other end" : "the other end was not there for them";
      const detail = `${counted(event.keys, "key")}, ${why}`;
      this.book.occurred("keys_unmatched", link, moment, { value: event.keys, detail });
    } else if (event.type === "twice") {
      this.book.occurred("peer_twice", link, moment, {});
    } else if (event.type === "restored") {
      const whose = event.which === "us" ? "this key manager's" : "the other key manager's";
      const detail = `${whose} disk: at transaction ${event.mark}, was at ${event.remembered}`;
      this.book.occurred("restored_disk", link, moment, { detail });
    }
  }

  /** Controllers order opposite things of a link, by turns. @param detail which, and what */
  disagree(link: string, detail: string, moment: Moment): void {
    this.book.occurred("controllers_disagree", link, moment, { detail });
  }

  conflict(module: string, moment: Moment): void {
    this.book.occurred("duplicate_key_id", module, moment, {});
  }

  damaged(what: string, moment: Moment): void {
    this.book.occurred("store_damaged", "store", moment, { detail: what });
  }

  /** @param records so many, or more */
  recordsLost(records: number, moment: Moment): void {
    this.book.occurred("records_lost", "manager", moment, { value: records });
  }
}
