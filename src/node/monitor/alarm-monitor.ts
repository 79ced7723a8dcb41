/**
 * Watches the node for alarms: brings what channels, broker, clock, certificates and disk show to
 * the rules, and what the rules make of it to the manager and to the state that survives a restart.
 */

import { every, type Timer } from "../../base/clock.ts";
import { type Duration, seconds } from "../../base/duration.ts";
import { describe, Fault } from "../../base/errors.ts";
import { DiskWatch, type DiskWatchParts } from "../../host/life/disk-watch.ts";
import { isPostQuantum } from "../../host/tls/peer.ts";
import type { ListFiles, ListsValidity, Validity } from "../../host/tls/validity.ts";
import type { AlarmRecord, FlapLimits, Transition } from "../../ops/alarms/alarm.ts";
import { ManagerRules } from "../../ops/alarms/manager-alarms.ts";
import type { Moment } from "../../ops/alarms/severity.ts";
import { SavedAlarms, type SavedAlarmsParts } from "../../ops/manager/saved-alarms.ts";
import type { ModuleEvent } from "../../port/module.ts";
import type { TelemetrySample } from "../../port/telemetry.ts";
import { Heard } from "../../wire/kq1/heard.ts";
import { AlarmBook } from "../alarms/book.ts";
import { type AlarmName, alarmId, catalogue, isAlarmName } from "../alarms/catalogue.ts";
import { intermittentTiming, type ModuleRuleOptions, ModuleRules } from "../alarms/module-rules.ts";
import { type NodeRuleOptions, NodeRules } from "../alarms/node-rules.ts";
import { keyCounters } from "../alarms/supply-rules.ts";
import { allowed, isThresholdName, type ThresholdName } from "../alarms/thresholds.ts";
import { type Conditions, starting, type Verdict } from "../alarms/verdict.ts";
import type { AlarmView, ModuleView, NodeEvent } from "../model/manager.ts";
import { lostGeneration, settleLost } from "../state/lost-state.ts";
import type { StateStore } from "../state/store.ts";

export interface WatchOptions {
  readonly flap: FlapLimits;
  readonly node: NodeRuleOptions;
  readonly modules: readonly ModuleRuleOptions[];
  /** Certificates by the object of their alarms. */
  readonly certificates: ReadonlyMap<string, string>;
  /** Links that are not encrypted, and whether keys go over them. */
  readonly plain: ReadonlyMap<string, boolean>;
  /** KMs that are told how modules are, by the object of their alarms. */
  readonly told?: ReadonlySet<string>;
  /** Revocation lists by the object of their alarms. */
  readonly lists?: ReadonlyMap<string, ListFiles>;
}

export interface WatchParts extends SavedAlarmsParts, DiskWatchParts {
  readonly state: StateStore;
  /** @returns undefined if the file is no certificate that can be read */
  readonly validity: (file: string) => Validity | undefined;
  readonly lists?: (files: ListFiles, wall: number) => ListsValidity;
  /** Where keys travel under TLS by the object of its alarm, and by which key exchanges. */
  readonly keyExchanges?: () => Iterable<readonly [string, readonly string[]]>;
  /** KMs that are told how modules are, by the object of their alarms, and why one is not: see `untold` of the rules. */
  readonly untold?: () => Iterable<readonly [string, string | undefined]>;
  /** What the process uses of what it may, 0 to 1, since the last call. */
  readonly usage: () => Iterable<{ readonly resource: string; readonly part: number }>;
  /** Files of the node's state by name, and what is the matter with them, if anything. */
  readonly troubles: () => Iterable<readonly [string, Error | undefined]>;
  /** Events that were given up so far. */
  readonly eventsLost: () => number;
  /** @returns grows with each, across restarts */
  readonly onTransition: (transition: Transition) => number;
  /** Another verdict holds for this module than before. */
  readonly onVerdict?: (module: string) => void;
}

/** A module as it is watched. */
export interface WatchedView extends Pick<ModuleView, "name" | "supply"> {
  conditions(): Conditions;
}

const stateAlarm = alarmId("state_damaged", "state");
const cleared = { level: "cleared" } as const;
const tickMs = 1_000;
/** Certificates are looked at this often, ms. */
const surveyMs = 60_000;

export class AlarmMonitor implements AlarmView {
  readonly #parts: WatchParts;
  readonly #options: WatchOptions;
  readonly #book: AlarmBook;
  readonly #node: NodeRules;
  readonly #manager: ManagerRules;
  readonly #modules = new Map<string, ModuleRules>();
  readonly #heard: { readonly module: string; readonly km: string; readonly heard: Heard }[] = [];
  #views: readonly WatchedView[] = [];
  /** Each module's verdict, as it was told last. */
  readonly #verdicts = new Map<string, string>();
  #timers: readonly Timer[] = [];
  readonly #saved: SavedAlarms;
  readonly #disk: DiskWatch;
  #tampered = false;

  constructor(options: WatchOptions, parts: WatchParts) {
    this.#options = options;
    this.#parts = parts;
    const settle = new Map<string, Duration>();
    for (const { module, intermittent, thresholds } of options.modules) {
      if (intermittent) settle.set(module, seconds(thresholds.settle_s));
    }
    this.#book = new AlarmBook({
      flap: options.flap,
      timing: (name, object) => {
        const ms = settle.get(object);
        return ms === undefined ? undefined : intermittentTiming(name, ms);
      },
      onTransition: (transition) => this.#transition(transition),
    });
    this.#node = new NodeRules(options.node, this.#book);
    this.#manager = new ManagerRules(this.#book);
    this.#disk = new DiskWatch(parts, this.#node);
    this.#saved = new SavedAlarms(
      parts,
      () => this.#book.records(),
      (trouble) => this.#file("state", trouble),
    );
    for (const module of options.modules) {
      const set = parts.state.data.thresholds?.[module.module] ?? {};
      const good = Object.entries(set).filter(
        ([n, value]) => isThresholdName(n) && allowed(n, value),
      );
      const thresholds = { ...module.thresholds, ...Object.fromEntries(good) };
      const rules = new ModuleRules({ ...module, thresholds }, this.#book);
      rules.stop(parts.state.data.stopped?.[module.module]);
      this.#modules.set(module.module, rules);
    }
  }

  /**
   * Begins to watch; goes on from the alarms of before a restart.
   * @param later alarms of transitions that are durable, but did not make it into the state
   */
  start(views: readonly WatchedView[], later: readonly AlarmRecord[]): void {
    const { clock, state } = this.#parts;
    this.#views = views;
    const saved = (state.data.alarms ?? []).flatMap((record) =>
      isAlarmName(record.name) ? [{ ...record, name: record.name as AlarmName }] : [],
    );
    const records = new Map([...saved, ...later].map((record) => [record.id, record]));
    this.#book.restore(
      [...records.values()],
      (name, object) => this.#exists(name, object),
      this.#moment,
    );
    this.#tellLost();
    this.#node.machine.clock(this.#moment);
    for (const [object, keys] of this.#options.plain)
      this.#node.plainLink(object, keys, this.#moment);
    this.#timers = [
      every(clock, tickMs, () => this.#tick()),
      every(clock, surveyMs, () => this.#survey()),
    ];
    this.#survey();
    void this.#disk.look();
  }

  /** Watches no more; resolves when what it knows is on disk. Never rejects. */
  async stop(): Promise<void> {
    for (const timer of this.#timers) timer.cancel();
    await this.#saved.settled();
  }

  records() {
    return this.#book.records();
  }

  record(id: string) {
    return this.#book.record(id);
  }

  /** How it is with a module's supply at this moment. */
  verdict(module: string): Verdict {
    const rules = this.#modules.get(module);
    const view = this.#views.find(({ name }) => name === module);
    if (rules === undefined || view === undefined) return starting(this.#moment.wall);
    return rules.verdict(keyCounters(view.supply()), view.conditions(), this.#moment);
  }

  /**
   * A command stopped a module, or (`by` undefined) started it. It stays so across
   * restarts of the node. @throws Fault `state.io` if it would not
   */
  async stopped(module: string, by: string | undefined): Promise<void> {
    const stopped = by === undefined ? undefined : { by, at: this.#moment.wall };
    this.#modules.get(module)?.stop(stopped);
    this.#tellVerdict(module);
    if (stopped === undefined && this.#parts.state.data.stopped?.[module] === undefined) return;
    await this.#parts.state.change((data) => {
      const { [module]: _, ...others } = data.stopped ?? {};
      data.stopped = { ...others, ...(stopped && { [module]: stopped }) };
    });
  }

  forget(id: string): void {
    this.#book.forget(id);
    this.#saved.save();
  }

  /** @returns why not; undefined if it was acknowledged */
  acknowledge(id: string, by: string): string | undefined {
    // Seen or not, supply stays stopped until it is cleared.
    if (id === alarmId("tamper", "node") && this.#tampered) return "needs_clear_tamper";
    const refused = this.#book.acknowledge(id, by, this.#moment);
    const { state, log } = this.#parts;
    if (refused === undefined && id === stateAlarm) settleLost(state, log);
    return refused;
  }

  /** Sets a threshold, also for after a restart. @throws Fault `state.io` */
  async setThreshold(module: string, name: ThresholdName, value: number): Promise<void> {
    const rules = this.#modules.get(module);
    if (rules === undefined) return;
    rules.thresholds = { ...rules.thresholds, [name]: value };
    await this.#parts.state.change((data) => {
      const all = data.thresholds ?? {};
      data.thresholds = { ...all, [module]: { ...all[module], [name]: value } };
    });
  }

  /** The link to the module, or to its KM of this name, is up, or down for the reason given. */
  link(module: string, km: string | undefined, down: Error | undefined): void {
    const rules = this.#modules.get(module);
    const moment = this.#moment;
    if (km !== undefined) {
      if (down === undefined) rules?.kmUp(km, moment);
      else rules?.kmDown(km, describe(down), moment);
    } else if (down === undefined) {
      rules?.moduleUp(moment);
    } else {
      const stranger = down instanceof Fault && down.code === "module.identity";
      rules?.moduleDown(describe(down), stranger, moment);
    }
  }

  /** @returns where connections to this KM of the module tell whether it answers for keys */
  hears(module: string, km: string): Heard {
    const heard = new Heard();
    this.#heard.push({ module, km, heard });
    return heard;
  }

  telemetry(module: string, sample: TelemetrySample): void {
    this.#modules.get(module)?.telemetry(sample, this.#moment);
  }

  /** What a channel told of its module or its keys. */
  event({ type, module, facts }: NodeEvent): void {
    const rules = this.#modules.get(module ?? "");
    if (type !== "module_event") return rules?.custody(type, facts, this.#moment);
    const { code, severity, text = "" } = facts;
    const told = { code: String(code), text: String(text) };
    rules?.event({ ...told, severity: severity as ModuleEvent["severity"] }, this.#moment);
  }

  brokerUp(): void {
    this.#manager.brokerUp(this.#moment);
  }

  brokerDown(error: Error, takenOver: boolean): void {
    this.#manager.brokerDown(describe(error), takenOver, this.#moment);
  }

  zeroized(module: string, detail = "by command"): void {
    this.#book.signal("zeroized", module, { level: "critical", detail }, this.#moment);
  }

  /** The chassis was opened. */
  tampered(detail: string): void {
    this.#tampered = true;
    this.#book.signal("tamper", "node", { level: "critical", detail }, this.#moment);
  }

  /** An operator has cleared that the chassis was opened. */
  tamperCleared(by: string): void {
    this.#tampered = false;
    this.acknowledge(alarmId("tamper", "node"), by);
  }

  /** The chassis panel is lost, for the reason given; undefined: it is there. */
  panelLost(detail: string | undefined): void {
    const signal = detail === undefined ? cleared : ({ level: "major", detail } as const);
    this.#book.signal("panel_lost", "node", signal, this.#moment);
  }

  /**
   * Files of the state that belong to no module: these, and no others. To be called once it watches.
   * @param found what is known of each, by its module
   */
  leftBehind(name: "ledger_orphaned" | "spool_left", found: ReadonlyMap<string, string>): void {
    const [level] = catalogue[name].severities;
    const raised = this.#book.records().filter((record) => record.name === name);
    for (const object of [...raised.map((record) => record.object), ...found.keys()]) {
      const detail = found.get(object);
      this.#book.signal(name, object, detail ? { level, detail } : cleared, this.#moment);
    }
  }

  /** The node's software failed so often lately. */
  crashed(times: number): void {
    this.#node.crashed(times, this.#moment);
  }

  /** @param why this certificate could not be renewed; undefined: it was, or is not due */
  renewal(object: string, why: string | undefined): void {
    this.#node.machine.renewal(object, why, this.#moment);
  }

  intruder(reason: string): void {
    this.#manager.intruder(reason, this.#moment);
  }

  get #moment(): Moment {
    const { clock } = this.#parts;
    return { now: clock.now(), wall: clock.wall() };
  }

  #exists(name: AlarmName, object: string): boolean {
    const modules = [...this.#modules.keys()];
    const { certificates, plain } = this.#options;
    if (name === "plain_link") return plain.has(object);
    if (name.startsWith("certificate_")) return certificates.has(object);
    if (/^(state_damaged|resources_low|ledger_orphaned|spool_left)$/.test(name)) return true;
    if (name.startsWith("crl_")) return this.#options.lists?.has(object) === true;
    if (name === "km_untold") return this.#options.told?.has(object) === true;
    if (name === "classical_link") return this.#parts.keyExchanges !== undefined;
    const ofNode = ["node", "manager"].includes(object);
    return ofNode || modules.some((id) => object === id || object.startsWith(`${id}.`));
  }

  #tick(): void {
    const moment = this.#moment;
    this.#node.machine.clock(moment);
    for (const view of this.#views) {
      const rules = this.#modules.get(view.name);
      rules?.counters(keyCounters(view.supply()), moment);
    }
    for (const { module, km, heard } of this.#heard) {
      this.#modules.get(module)?.heard(km, heard, moment);
    }
    for (const view of this.#views) {
      this.#modules.get(view.name)?.tick(moment, view.conditions());
    }
    const { troubles, eventsLost } = this.#parts;
    for (const [object, trouble] of troubles()) this.#file(object, trouble);
    for (const [object, groups] of this.#parts.keyExchanges?.() ?? []) {
      // Without a connection nothing is known: what was told last holds.
      if (groups.length === 0) continue;
      const classical = groups.find((group) => !isPostQuantum(group));
      this.#node.keyExchange(object, classical, moment);
    }
    for (const [object, why] of this.#parts.untold?.() ?? [])
      this.#node.untold(object, why, moment);
    this.#manager.eventsLost(eventsLost(), moment);
    void this.#disk.look();
    this.#book.tick(moment);
    for (const { name } of this.#views) this.#tellVerdict(name);
  }

  #tellVerdict(module: string): void {
    const { code, level, text } = this.verdict(module);
    // Others have an age in them, and would be told each second.
    const key = level === "bad" ? `${code} ${text}` : code;
    if (key === this.#verdicts.get(module)) return;
    this.#verdicts.set(module, key);
    this.#parts.onVerdict?.(module);
  }

  /** A lost generation of the state is an alarm at every start until it was acknowledged. */
  #tellLost(): void {
    const detail = lostGeneration(this.#parts.state);
    const told = this.#book.record(stateAlarm);
    if (detail === undefined || (told?.severity === "critical" && !told.acknowledged)) return;
    this.#node.damaged("state", detail, this.#moment);
  }

  #file(object: string, trouble: Error | undefined): void {
    this.#disk.wrote(object, trouble);
    if (trouble === undefined) this.#node.repaired(object, this.#moment);
    else this.#node.damaged(object, describe(trouble), this.#moment);
  }

  #survey(): void {
    const { validity, usage } = this.#parts;
    for (const { resource, part } of usage()) this.#node.resource(resource, part, this.#moment);
    for (const [object, file] of this.#options.certificates) {
      this.#node.machine.certificate(object, validity(file), this.#moment);
    }
    for (const [object, files] of this.#options.lists ?? []) {
      const found = this.#parts.lists?.(files, this.#moment.wall);
      if (found !== undefined)
        this.#node.machine.lists(object, found, files.crlFresh, this.#moment);
    }
  }

  #transition(transition: Transition): void {
    const { change, record } = transition;
    const facts = { alarm: record.id, severity: record.severity, detail: record.detail };
    if (change === "cleared") this.#parts.log.info("alarm cleared", facts);
    else this.#parts.log.warn(`alarm ${change}`, facts);
    this.#saved.transition(this.#parts.onTransition(transition));
  }
}
