/** What the key manager's state and events mean for its alarms. Pure: time is passed in. */
import { type Duration, ms } from "../../base/duration.ts";
import type { AlarmRecord, FlapLimits, Transition } from "../../ops/alarms/alarm.ts";
import { AlarmBook } from "../../ops/alarms/book.ts";
import { type MachineRuleOptions, MachineRules } from "../../ops/alarms/machine-alarms.ts";
import { ManagerRules } from "../../ops/alarms/manager-alarms.ts";
import { step, threshold } from "../../ops/alarms/rules.ts";
import type { Level, Moment } from "../../ops/alarms/severity.ts";
import type { AlarmView } from "../../ops/alarms/view.ts";
import type { KmStatus, LinkStatus } from "../model/status.ts";
import type { LinkEvent } from "../peer/events.ts";
import { catalogue, isAlarmName, type KmAlarmName } from "./catalogue.ts";

/** Bits of one's own that are little, where none is configured. */
const littleBits = 65_536;
const usualFlap: FlapLimits = { count: 5, window: ms(600_000), quiet: ms(300_000) };
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
  readonly machine?: MachineRuleOptions;
  readonly onTransition?: (transition: Transition) => void;
}

export class KmAlarms implements AlarmView {
  /** About certificates, revocation lists and the clock. */
  readonly machine: MachineRules;
  /** About the way to the manager. */
  readonly manager: ManagerRules;
  readonly #book: AlarmBook<KmAlarmName>;
  readonly #plain: boolean;
  #fill: Level = "cleared";

  constructor({ plain, flap, peerAway, machine, onTransition = () => {} }: KmAlarmOptions) {
    this.#plain = plain;
    this.#book = new AlarmBook<KmAlarmName>({
      catalogue,
      flap: flap ?? usualFlap,
      timing: (name) =>
        name === "peer_away" && peerAway !== undefined
          ? { raiseAfterMs: peerAway, clearAfterMs: Math.min(peerAway, usualClearMs) }
          : undefined,
      onTransition,
    });
    this.machine = new MachineRules(machine ?? usualMachine, this.#book, "km");
    this.manager = new ManagerRules(this.#book);
  }

  /**
   * Goes on from the alarms of before a restart.
   * @param exists whether what this alarm is about is still configured
   */
  restore(
    saved: readonly AlarmRecord[],
    exists: (name: KmAlarmName, object: string) => boolean,
    moment: Moment,
  ): void {
    const known = saved.filter(({ name }) => isAlarmName(name));
    this.#book.restore(known, exists, moment);
  }

  /** The state of now; at least once a second. */
  look({ store, links, modules }: KmStatus, moment: Moment): void {
    this.#signal("plain_link", "kq1", this.#plain ? "major" : "cleared", moment);
    const fill = store.limit_bytes === 0 ? 0 : store.disk_bytes / store.limit_bytes;
    this.#fill = store.full ? "critical" : threshold(this.#fill, fill, fillSteps, "above");
    const detail = `${Math.round(fill * 100)} % of its limit`;
    this.#signal("store_full", "store", this.#fill, moment, detail);
    for (const link of links) this.#link(link, moment);
    for (const { name, told } of modules) {
      const level = told === undefined || told.current ? "cleared" : "minor";
      this.#signal("node_silent", name, level, moment, `told last by ${told?.node}`);
    }
    this.#book.tick(moment);
  }

  #link(link: LinkStatus, moment: Moment): void {
    const { name, session, waiting_keys, stock_bits, peer_stock_bits, key_exchange } = link;
    const ready = session === "ready";
    const when = (holds: boolean, level: Level): Level => (holds ? level : "cleared");
    this.#signal("peer_away", name, when(!ready, "major"), moment, `${waiting_keys} keys wait`);
    const waits = ready && waiting_keys > 0 && link.oldest_s > 60;
    const detail = `${waiting_keys} keys wait, the oldest for ${Math.round(link.oldest_s)} s`;
    this.#signal("matching_fails", name, when(waits, "major"), moment, detail);
    const little = ready && link.matched_bits > 0 && stock_bits + peer_stock_bits < littleBits;
    this.#signal(
      "stock_low",
      name,
      when(little, "minor"),
      moment,
      `${stock_bits} bits are its own`,
    );
    const differs = ready && !link.same_policy;
    this.#signal("policy_differs", name, when(differs, "warning"), moment);
    const classical = key_exchange !== undefined && !key_exchange.includes("MLKEM");
    this.#signal("classical_link", name, when(classical, "warning"), moment, key_exchange);
  }

  /** Something happened on a link. */
  told(link: string, event: LinkEvent, moment: Moment): void {
    if (event.type === "differs") this.#book.occurred("keys_differ", link, moment, {});
    else if (event.type === "expired") {
      const by = event.lackedBy === "them" ? "the other end" : "this end";
      const detail = `${event.keys} keys, lacked by ${by}`;
      this.#book.occurred("keys_unmatched", link, moment, { value: event.keys, detail });
    } else if (event.type === "restored") {
      const whose = event.which === "us" ? "this key manager's" : "the other key manager's";
      const detail = `${whose} disk: at transaction ${event.mark}, was at ${event.remembered}`;
      this.#book.occurred("restored_disk", link, moment, { detail });
    }
  }

  conflict(module: string, moment: Moment): void {
    this.#book.occurred("duplicate_key_id", module, moment, {});
  }

  damaged(what: string, moment: Moment): void {
    this.#book.occurred("store_damaged", "store", moment, { detail: what });
  }

  /** @param file which one cannot be written, or was damaged @param why undefined: it can be written again */
  file(file: string, why: string | undefined, moment: Moment): void {
    this.#signal("state_damaged", file, why === undefined ? "cleared" : "critical", moment, why);
  }

  /** @param records so many, or more */
  recordsLost(records: number, moment: Moment): void {
    this.#book.occurred("records_lost", "manager", moment, { value: records });
  }

  /** Raised now, or waiting to be acknowledged. */
  raised(): AlarmRecord[] {
    return this.#book.records().filter(({ severity }) => severity !== "cleared");
  }

  records(): readonly AlarmRecord[] {
    return this.#book.records();
  }

  record(id: string): AlarmRecord | undefined {
    return this.#book.record(id);
  }

  forget(id: string): void {
    this.#book.forget(id);
  }

  acknowledge(id: string, by: string, moment: Moment): "unknown_alarm" | "not_raised" | undefined {
    return this.#book.acknowledge(id, by, moment);
  }

  #signal(name: KmAlarmName, object: string, level: Level, moment: Moment, detail = ""): void {
    const told = level !== "cleared" && detail !== "" ? { level, detail } : { level };
    this.#book.signal(name, object, told, moment);
  }
}
