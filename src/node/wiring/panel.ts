/** The node's side of the chassis panel, wired together. */

import type { Clock } from "../../base/clock.ts";
import type { Log } from "../../base/log.ts";
import { rank } from "../../ops/alarms/severity.ts";
import type { NodeMessage } from "../../port/panel.ts";
import type { PanelConfig } from "../config/tables.ts";
import type { ModuleView, ShownPanel } from "../model/manager.ts";
import type { Halt } from "../module/halt.ts";
import { PanelGuard } from "../panel/guard.ts";
import { PanelServer } from "../panel/server.ts";
import type { ZeroizedModule } from "../panel/zeroizer.ts";
import type { StateStore } from "../state/store.ts";
import type { Monitoring } from "./monitoring.ts";

export interface PanelParts {
  readonly state: StateStore;
  readonly halt: Halt;
  readonly monitoring: Monitoring;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Log;
}

export class Panel {
  readonly guard: PanelGuard;
  readonly #server: PanelServer | undefined;
  #modules: readonly ModuleView[] = [];

  /** @param config undefined: none is configured; what one has latched holds all the same */
  constructor(config: PanelConfig | undefined, parts: PanelParts) {
    const { monitoring, clock, random } = parts;
    const log = parts.log.child("panel");
    this.guard = new PanelGuard(
      config && {
        expected: config.expected,
        onTamper: config.on_tamper,
        onLost: config.on_lost,
      },
      {
        state: parts.state,
        halt: parts.halt,
        alarms: monitoring.watch,
        clock,
        random,
        log,
        onEvent: (event) => monitoring.event(event),
        onChange: () => {
          this.#server?.notify();
          monitoring.panelChanged();
        },
        health: () => health(monitoring),
        supplying: () => this.#modules.some((module) => module.health().ready),
      },
    );
    this.#server =
      config &&
      new PanelServer({
        path: config.socket,
        clock,
        random,
        log,
        onMessage: (message) => this.guard.heard(message),
        onGone: (reason) => this.guard.gone(reason),
        message: () => this.guard.message(),
      });
  }

  /** @param more that is to be destroyed with the modules' key */
  start(
    modules: readonly (ModuleView & ZeroizedModule)[],
    more: readonly ZeroizedModule[] = [],
  ): void {
    this.#modules = modules;
    this.guard.start([...modules, ...more]);
    this.#server?.start();
  }

  /** How it is, and what its lamps are told to show. */
  shown(): ShownPanel {
    const { health, supply } = this.guard.message();
    const alarm = ({ ok: "off", warning: "amber", alarm: "red" } as const)[health];
    return { ...this.guard.status(), lamps: { supply: supply ? "green" : "amber", alarm } };
  }

  async stop(): Promise<void> {
    await this.#server?.stop();
    await this.guard.stop();
  }
}

/** The worst alarm, for one lamp. */
function health({ watch }: Monitoring): NodeMessage["health"] {
  const worst = Math.max(0, ...watch.records().map(({ severity }) => rank(severity)));
  if (worst >= rank("major")) return "alarm";
  return worst > 0 ? "warning" : "ok";
}
