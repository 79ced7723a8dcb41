/**
 * A module's supply with everything that may go wrong in it, on a clock that the test moves: the real
 * watch and state, and every surface's own function over them. Only module and KM are played.
 */

import { ms } from "../../src/base/duration.ts";
import { Fault } from "../../src/base/errors.ts";
import { silentLog } from "../../src/base/log.ts";
import { noColours } from "../../src/host/terminal/terminal.ts";
import { standardThresholds } from "../../src/node/alarms/thresholds.ts";
import type { Conditions } from "../../src/node/alarms/verdict.ts";
import { lines as statusLines } from "../../src/node/cli/status.ts";
import { checkAlarms } from "../../src/node/doctor/alarms.ts";
import { checkKeptBack, checkSupply } from "../../src/node/doctor/supply.ts";
import { alarmList, moduleStatus } from "../../src/node/local/answers.ts";
import * as payloads from "../../src/node/manager/payloads.ts";
import type { LocalModule } from "../../src/node/model/local.ts";
import { moduleState } from "../../src/node/module/channel-views.ts";
import { AlarmMonitor } from "../../src/node/monitor/alarm-monitor.ts";
import { families } from "../../src/node/page/families.ts";
import { readiness } from "../../src/node/page/health.ts";
import { snapshot } from "../../src/node/page/snapshot.ts";
import type { LinkView, NodeView } from "../../src/node/page/view.ts";
import { openState } from "../../src/node/state/state.ts";
import { StateStore } from "../../src/node/state/store.ts";
import { conclude } from "../../src/ops/doctor/finding.ts";
import { reportLines } from "../../src/ops/doctor/tell.ts";
import { time } from "../../src/ops/manager/payloads.ts";
import type { TelemetrySample } from "../../src/port/telemetry.ts";
import type { Heard } from "../../src/wire/kq1/heard.ts";
import { ManualClock, settle } from "../clock.ts";
import { Disk } from "../faults/disk.ts";
import { shownNode } from "./web-bench.ts";

const name = "alice";
const kmNames = ["main", "reserve"] as const;

/** What the module measures when all is well. */
const goodFigures = { qber: 0.02, secret_key_rate: 2_000, sifted_rate: 8_000, channel_loss: 4 };

export class FaultBench {
  readonly clock: ManualClock;
  readonly disk: Disk;
  watch!: AlarmMonitor;
  heard!: Heard;
  counters = { ...fresh };
  readonly refused: Record<string, number> = {};
  conditions!: { -readonly [Name in keyof Conditions]: Conditions[Name] };
  /** What is measured from now on; undefined: no telemetry comes. */
  figures: TelemetrySample["values"] | undefined = goodFigures;
  free = 0.5;
  troubles: readonly (readonly [string, Error | undefined])[] = [];
  certificateEnds = Number.POSITIVE_INFINITY;

  private constructor(clock: ManualClock, disk: Disk) {
    this.clock = clock;
    this.disk = disk;
  }

  static async open(disk = new Disk(), clock = new ManualClock()): Promise<FaultBench> {
    const bench = new FaultBench(clock, disk);
    await bench.#start();
    return bench;
  }

  /** The same node after a restart: what its memory had is gone, what its disk has is not. */
  async restart(): Promise<FaultBench> {
    await this.watch.stop();
    return FaultBench.open(this.disk, this.clock);
  }

  async #start(): Promise<void> {
    const { clock } = this;
    const state = new StateStore(await openState(this.disk, "/state"));
    const km = { condition: "UP", trouble: "" } as const;
    this.conditions = {
      module: "OPERATING",
      moduleTrouble: "",
      kms: [{ name: "main", ...km }],
      halted: undefined,
      ledgerTrouble: undefined,
      onRequest: false,
      heldBlocks: 0,
      keptBack: {},
    };
    let told = state.data.alarms_to ?? 0;
    this.watch = new AlarmMonitor(
      {
        flap: { count: 5, window: ms(600_000), quiet: ms(300_000) },
        node: { certificateDays: 30, storageFree: 0.1 },
        modules: [
          {
            module: name,
            kms: kmNames,
            answerTimeout: ms(10_000),
            qberLimit: 0.11,
            intermittent: false,
            thresholds: standardThresholds(),
          },
        ],
        certificates: new Map([["km.main", "km.crt"]]),
        plain: new Map(),
      },
      {
        clock,
        log: silentLog,
        state,
        validity: () => ({ from: 0, to: this.certificateEnds }),
        free: async () => this.free,
        usage: () => [],
        troubles: () => this.troubles,
        eventsLost: () => 0,
        onTransition: () => ++told,
        told: async () => {},
        unsaved: () => {},
      },
    );
    this.heard = this.watch.hears(name, "main");
    this.watch.start([this.#view()], []);
    this.watch.link(name, undefined, undefined);
    this.watch.link(name, "main", undefined);
    await settle();
  }

  /** Moves time on; `each` plays what happens in every second. */
  async run(seconds: number, each: (second: number) => void = () => {}): Promise<void> {
    for (let i = 0; i < seconds; i++) {
      each(i);
      if (this.figures !== undefined) this.watch.telemetry(name, { values: this.figures });
      await this.clock.advance(1_000);
    }
  }

  /** The module gives keys and the KM confirms them. */
  keys(count = 5): void {
    this.counters.supplied += count;
    this.counters.confirmed += count;
    this.heard.own += count;
  }

  /** Keys are offered, and lie with the KM. */
  offered(count = 64): void {
    if (this.counters.in_flight === 0) this.counters.supplied += count;
    this.counters.in_flight = count;
    this.counters.held_blocks = 10;
  }

  /** The KM's connection ends, with what it was given; another is made. */
  reconnect(why: string): void {
    this.km("DOWN", why);
    const { in_flight } = this.counters;
    this.counters.in_flight = 0;
    this.km("UP");
    if (in_flight === 0) return;
    this.counters.repeats += in_flight;
    this.counters.in_flight = in_flight;
  }

  refuse(reason: string, count: number): void {
    this.refused[reason] = (this.refused[reason] ?? 0) + count;
    this.heard.own += count;
  }

  km(condition: "UP" | "DOWN", trouble = "", km: string = "main"): void {
    const kms = this.conditions.kms.filter((one) => one.name !== km);
    const all = [...kms, { name: km, condition, trouble }];
    this.conditions.kms = all.sort((a, b) => (a.name < b.name ? -1 : 1));
    const down = condition === "UP" ? undefined : new Fault("kq1.connect", trouble);
    this.watch.link(name, km, down);
  }

  module(condition: "OPERATING" | "DOWN", down?: Fault): void {
    this.conditions.module = condition;
    this.conditions.moduleTrouble = down?.message ?? "";
    this.watch.link(name, undefined, down);
  }

  event(type: string, facts: Readonly<Record<string, string | number>> = {}): void {
    this.watch.event({ type, module: name, at: this.clock.wall(), facts });
  }

  /** Every surface, as it is now. */
  surfaces() {
    const view = this.#view();
    const { watch, clock } = this;
    const node: NodeView = { ...shownNode(clock), modules: [view as LinkView], alarms: watch };
    const records = watch.records();
    const told = JSON.parse(JSON.stringify(moduleStatus(view as LocalModule)));
    const alarms = alarmList(records);
    const counts = Object.fromEntries(
      ["critical", "major", "minor", "warning"].map((level) => [
        level,
        alarms.filter(({ severity }) => severity === level).length,
      ]),
    );
    const t = time(clock.wall());
    const status = {
      ...{ node: "node", version: "1", boot: 1, pid: 1, t, uptime_s: 1, rss_bytes: 1 },
      config: { file: "", digest: "", state_dir: "" },
      modules: [told],
      alarms: counts,
    };
    const running = { status, links: { modules: [] }, alarms: { alarms } } as never;
    const checks = [...checkSupply(running), ...checkKeptBack(running), checkAlarms(running)];
    const facts = { node: "node", t, running: true };
    const supply = [{ name, health: told.health }];
    const report = conclude(checks, { ...facts, supply });
    const samples = families(node, {
      cpuSeconds: 0,
      residentBytes: 0,
      heapBytes: 0,
      viewers: 0,
    });
    const metric = (family: string): Record<string, string | number | undefined>[] =>
      samples
        .find((one) => one.name === family)
        ?.samples.map(({ labels, value }) => {
          return { ...labels, value };
        }) ?? [];
    return {
      page: snapshot(node, clock.wall()).modules[0]?.condition,
      readyz: readiness(node),
      status: told.health,
      statusText: statusLines(status, { paint: noColours, width: 200 }),
      doctor: report,
      doctorText: reportLines(report, noColours, 200),
      manager: payloads.moduleState(view.state(), view.health()),
      metrics: {
        ready: metric("qkd_supply_ready")[0]?.value,
        verdict: metric("qkd_supply_verdict"),
        keptBack: metric("qkd_kept_back"),
        alarms: metric("qkd_alarms"),
      },
      alarms: alarms.map((alarm) => `${alarm.name} ${alarm.severity}`).sort(),
    };
  }

  #view() {
    const health = () => this.watch.verdict(name);
    const conditions = (): Conditions => {
      return { ...this.conditions, heldBlocks: this.counters.held_blocks };
    };
    return {
      name,
      describe: () => ({ name, driver: "played", where: "here", km: "main" }),
      conditions,
      health,
      state: () => moduleState(conditions(), health(), 0),
      keptCounts: () => this.conditions.keptBack,
      kept: () => [],
      links: () => ({ up: true, reason: "", kms: [] }),
      kms: () => this.conditions.kms,
      stateAge: () => 0,
      supply: () => ({ ...this.counters, refused: { ...this.refused } }),
      takeTelemetryWindow: () => ({}),
      peekTelemetryWindow: () => ({}),
    };
  }
}

const fresh = {
  supplied: 0,
  confirmed: 0,
  repeats: 0,
  withheld: 0,
  quarantined: 0,
  in_flight: 0,
  held_blocks: 0,
};
