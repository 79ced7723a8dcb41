/** A controller's core with a world of a test: time stands still until it is moved, key managers answer as they are told to. */
import type { Authority } from "../../../src/controller/access/issuing.ts";
import { Controller } from "../../../src/controller/core/controller.ts";
import { nothingSaved, type Saved, type SavedTable } from "../../../src/controller/core/world.ts";
import type { ChangeStatus, ControllerStatus } from "../../../src/controller/model/status.ts";
import {
  type ControllerPolicy,
  defaultRules,
  type Rules,
} from "../../../src/controller/policy/network.ts";
import type {
  CkCommand,
  CkExtension,
  CkMessage,
  CkMessageOf,
} from "../../../src/wire/ck/messages.ts";
import { type LinkReport, linkExtension } from "../../../src/wire/ck/report.ts";

export const noon = Date.parse("2026-06-03T12:00:00Z");

export interface Asked {
  readonly km: string;
  readonly command: CkCommand;
  readonly done: (answer: CkMessage | undefined) => void;
}

type Partly = Partial<Omit<ControllerPolicy, "rules">> & { readonly rules?: Partial<Rules> };

export class Rig {
  now = 0;
  wall = noon;
  readonly asked: Asked[] = [];
  readonly told: ChangeStatus[] = [];
  readonly saved = new Map<SavedTable, Map<string, unknown>>();
  readonly core: Controller;
  #drawn = 0;

  constructor(
    policy: Partly = {},
    saved?: Saved,
    role?: ControllerStatus["role"],
    authority?: Authority,
  ) {
    this.core = new Controller({
      policy: {
        id: "ctl",
        mode: "centralized",
        nodes: [],
        links: [],
        pairs: [],
        classes: [],
        access: { openToKms: true, openToApplications: true, applications: [] },
        ...policy,
        rules: { ...defaultRules, ...policy.rules },
      },
      version: "1",
      authority,
      ...(saved !== undefined && { saved }),
      ...(role !== undefined && { role }),
      world: {
        now: () => this.now,
        wall: () => this.wall,
        random: (bytes) => {
          const drawn = Buffer.alloc(bytes);
          drawn.writeUInt32BE(++this.#drawn);
          return drawn;
        },
        ask: (km, command, _withinMs, done) => void this.asked.push({ km, command, done }),
        told: (change) => void this.told.push(change),
        save: (table, id, value) => {
          const records = this.saved.get(table) ?? new Map();
          this.saved.set(table, records);
          if (value === undefined) records.delete(id);
          else records.set(id, value);
        },
      },
    });
  }

  /** What the next controller begins with. */
  kept(): Saved {
    return { ...nothingSaved(), ...Object.fromEntries(this.saved) } as Saved;
  }

  pass(ms: number): void {
    for (let left = ms; left > 0; left -= 250) {
      const step = Math.min(250, left);
      this.now += step;
      this.wall += step;
      this.core.tick();
    }
  }

  /** What the command is answered with; undefined: nothing yet. */
  command(km: string, command: CkCommand, last?: CkMessage): CkMessage | undefined {
    let answer: CkMessage | undefined;
    this.core.command(km, command, (one, further) => {
      answer = one;
      if (last !== undefined) further?.done(last);
    });
    return answer;
  }

  /** A KM is connected, and tells all there is. */
  attach(km: string, links: readonly LinkReport[], more: readonly CkExtension[] = []): void {
    this.core.attached(km);
    this.report(km, links, more, true);
  }

  report(
    km: string,
    links: readonly LinkReport[],
    more: readonly CkExtension[] = [],
    whole = false,
  ): CkMessage | undefined {
    const extension = [...links.map(linkExtension), ...more];
    return this.command(km, { type: "report", sourceKm: km, at: this.wall, whole, extension });
  }

  /** Both ends of links tell that they are well. */
  network(edges: readonly (readonly [string, string])[], other: Partial<LinkReport> = {}): void {
    for (const km of new Set(edges.flat())) {
      const peers = edges.flatMap(([a, b]) => (a === km ? [b] : b === km ? [a] : []));
      this.attach(
        km,
        peers.map((peer) => link(peer, other)),
      );
    }
  }

  /** Commands to KMs since the last call. */
  take(): Asked[] {
    return this.asked.splice(0);
  }

  link(name: string): ControllerStatus["links"][number] | undefined {
    return this.core.status().links.find((one) => one.link === name);
  }

  pair(name: string): ControllerStatus["pairs"][number] | undefined {
    return this.core.status().pairs.find((one) => one.pair === name);
  }
}

export function link(peer: string, other: Partial<LinkReport> = {}): LinkReport {
  return { peer, up: true, stock: 10_000_000, rate: 10_000, alarms: [], ...other };
}

/** a–b–d and a–c–d. */
export const square = [
  ["a", "b"],
  ["b", "d"],
  ["a", "c"],
  ["c", "d"],
] as const;

/** A key manager asks for a route. */
export const ask = (from: string, to: string): CkMessageOf<"relayNotification"> => {
  return { type: "relayNotification", sourceKma: from, destinationKma: to };
};
export const done = (response = "success"): CkMessage => ({ type: "relayResponse", response });

export function transit(answer: CkMessage | undefined): readonly string[] | undefined {
  return answer?.type === "relayRequest" && !answer.extension?.length
    ? answer.transitKmas
    : undefined;
}

export function why(answer: CkMessage | undefined): unknown {
  const { response, extension } = (answer ?? {}) as CkMessageOf<"relayResponse">;
  return response ?? extension?.find((one) => one.response)?.response;
}
