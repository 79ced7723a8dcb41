/** The alarm rules of the node itself: storage, links in the clear, resources, files. */

import { type MachineRuleOptions, MachineRules } from "../../ops/alarms/machine-alarms.ts";
import { step, threshold } from "../../ops/alarms/rules.ts";
import type { Level, Moment } from "../../ops/alarms/severity.ts";
import type { AlarmBook } from "./book.ts";

export interface NodeRuleOptions extends MachineRuleOptions {
  /** Free part of the disk below which storage is nearly full, 0 to 1. */
  readonly storageFree: number;
}

const storageCritical = 0.02;
const resourceWarning = 0.8;
const resourceMajor = 0.95;

export class NodeRules {
  /** Certificates, revocation lists and the clock. */
  readonly machine: MachineRules;
  readonly #options: NodeRuleOptions;
  readonly #book: AlarmBook;
  #storage: Level = "cleared";
  readonly #resources = new Map<string, Level>();

  constructor(options: NodeRuleOptions, book: AlarmBook) {
    this.#options = options;
    this.#book = book;
    this.machine = new MachineRules(options, book, "node");
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

  /**
   * @param object which KM: `km.NAME`
   * @param why the KM is not told how its modules are (Kq-2); empty: it is; undefined: it is not known whether it should be
   */
  untold(object: string, why: string | undefined, moment: Moment): void {
    if (why === undefined) return;
    const signal =
      why === "" ? ({ level: "cleared" } as const) : ({ level: "minor", detail: why } as const);
    this.#book.signal("km_untold", object, signal, moment);
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
