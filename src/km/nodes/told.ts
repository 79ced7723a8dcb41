/**
 * What nodes tell of their modules (Kq-2; Y.3803 Req_KM 4, §8.2.5): of each module the last word, who said it and
 * when. Bounded by the configuration: a module that is not in it is refused. Pure; time is passed in.
 */
import { Fault } from "../../base/errors.ts";
import { times } from "../../wire/kq2/names.ts";
import { decodeStatus, type Status, type StatusResponse } from "../../wire/kq2/status.ts";
import { type IntakeModule, mayServe } from "../acquisition/line.ts";
import type { ToldStatus } from "../model/status.ts";

/** One connection of a node: who it is for as long as it lasts. */
export interface NodeConnection {
  /** Names in the node's certificate. */
  readonly names: readonly string[] | undefined;
}

/** Another state of a module's link than the one that was told before. */
export interface LinkChange {
  /** The module's name in the configuration. */
  readonly module: string;
  readonly link: Status["link"];
  /** Undefined: nothing was known. */
  readonly before: Status["link"] | undefined;
  readonly reason: string;
}

export interface ModulesToldParts {
  readonly modules: readonly IntakeModule[];
  /** Monotonic ms. */
  readonly now: () => number;
  readonly onLink: (change: LinkChange) => void;
  /** A module, its link or its alarms are other than they were told before. */
  readonly onNews?: () => void;
}

/** What was told so long ago is of no use to anybody, ms. */
const forgottenAfter = 86_400_000;

interface Word {
  readonly status: Status;
  /** By a name of the certificate, not by what the message says. */
  readonly by: string;
  readonly from: NodeConnection;
  readonly at: number;
}

export class ModulesTold {
  readonly #parts: ModulesToldParts;
  readonly #modules: ReadonlyMap<string, IntakeModule>;
  /** By the module's name. */
  readonly #words = new Map<string, Word>();
  readonly #open = new Set<NodeConnection>();
  #messages = 0;
  readonly #refused: Partial<Record<StatusResponse, number>> = {};

  constructor(parts: ModulesToldParts) {
    this.#parts = parts;
    this.#modules = new Map(parts.modules.map((module) => [module.moduleId, module]));
  }

  /** Status messages that came, and answers other than `success`, since the start. */
  get counts() {
    return { connections: this.#open.size, messages: this.#messages, refused: this.#refused };
  }

  opened(connection: NodeConnection): void {
    this.#open.add(connection);
  }

  closed(connection: NodeConnection): void {
    this.#open.delete(connection);
  }

  /** A Status came. @returns the answer @throws Fault `kq2.message`, which was counted: `invalid_message` */
  heard(from: NodeConnection, payload: Buffer): StatusResponse {
    this.#messages++;
    let status: Status;
    try {
      status = decodeStatus(payload);
    } catch (error) {
      if (error instanceof Fault) this.refuse("invalid_message");
      throw error;
    }
    const answer = this.#take(from, status);
    return answer === "success" ? answer : this.refuse(answer);
  }

  /** Counts a refusal. */
  refuse(response: StatusResponse): StatusResponse {
    this.#refused[response] = (this.#refused[response] ?? 0) + 1;
    return response;
  }

  /**
   * What was told last of every module of which anything was told within a day. The one place to ask, for
   * surfaces, for alarms, and for what is told to a controller.
   */
  all(): ReadonlyMap<string, ToldStatus> {
    const now = this.#parts.now();
    const told = new Map<string, ToldStatus>();
    for (const [name, word] of this.#words) {
      if (now - word.at >= forgottenAfter) this.#words.delete(name);
      else told.set(name, this.#toldStatus(word, now));
    }
    return told;
  }

  #take(from: NodeConnection, status: Status): StatusResponse {
    const { moduleId, matchingModuleId } = status;
    const module = this.#modules.get(moduleId);
    if (module === undefined) return "unknown_module";
    if (!mayServe(from.names, module)) return "unauthorized";
    if (matchingModuleId !== "" && matchingModuleId !== module.matchingModuleId) {
      return "unknown_module";
    }
    const { now, onLink, onNews } = this.#parts;
    const word = this.#words.get(module.name);
    const before = word?.status.link;
    const by = module.nodes.find((name) => from.names?.includes(name)) ?? "";
    this.#words.set(module.name, { status, by, from, at: now() });
    const { link, reason } = status;
    if (link !== before) onLink({ module: module.name, link, before, reason });
    if (word === undefined || newsOf(word.status) !== newsOf(status)) onNews?.();
    return "success";
  }

  #toldStatus({ status, by, from, at }: Word, now: number): ToldStatus {
    const { module, link, reason, figures, alarms, leftOut } = status;
    return {
      node: by,
      current: this.#open.has(from) && now - at < times.stale,
      age_s: Math.round((now - at) / 100) / 10,
      module,
      link,
      since: stamp(status.since),
      reason,
      figures,
      alarms: alarms.map((alarm) => ({
        alarm: alarm.id,
        name: alarm.name,
        object: alarm.object,
        severity: alarm.severity,
        active: alarm.active,
        acknowledged: alarm.acknowledged,
        since: stamp(alarm.raisedAt),
        ...(alarm.value !== undefined && { value: alarm.value }),
        ...(alarm.threshold !== undefined && { threshold: alarm.threshold }),
        ...(alarm.detail !== undefined && { detail: alarm.detail }),
        ...(alarm.text !== undefined && { text: alarm.text }),
      })),
      alarms_left_out: leftOut,
    };
  }
}

/** What of a word matters at once; figures change with each. */
function newsOf({ module, link, alarms }: Status): string {
  const raised = alarms.map(({ id, severity, active }) => [id, severity, active]);
  return JSON.stringify([module, link, raised]);
}

function stamp(ms: number): string {
  return new Date(ms).toISOString();
}
