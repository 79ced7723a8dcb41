/**
 * Decides when a KM is told of which module: at once when its state or its alarms changed, else every few seconds.
 * Nothing waits in a queue: what is told is how it is at that moment. Pure; time is passed in.
 */
import { times } from "../../wire/kq2/names.ts";
import type { Status, StatusResponse } from "../../wire/kq2/status.ts";

export interface Due {
  readonly module: string;
  readonly status: Status;
}

interface Entry {
  /** What was told over this connection; undefined: nothing yet. */
  told: string | undefined;
  toldAt: number;
  /** It may be otherwise than it was told. */
  changed: boolean;
  /** It was told, and is not answered yet. */
  waits: boolean;
  /** The pair of IDs that the KM did not take, and until when it is not told again. */
  held: { readonly ids: string; readonly until: number; readonly why: StatusResponse } | undefined;
}

/** How a module is; undefined while its ID is not known: there is nothing that a KM could be told. */
export type Look = (module: string) => Status | undefined;

export class Teller {
  readonly #look: Look;
  readonly #entries: ReadonlyMap<string, Entry>;

  /** @param modules names of those that the KM is told of */
  constructor(modules: readonly string[], look: Look) {
    this.#look = look;
    this.#entries = new Map(
      modules.map((name) => {
        const none = { told: undefined, toldAt: Number.NEGATIVE_INFINITY };
        return [name, { ...none, changed: true, waits: false, held: undefined }];
      }),
    );
  }

  /** Whether there is anything to tell. */
  get known(): boolean {
    return [...this.#entries.keys()].some((name) => this.#look(name) !== undefined);
  }

  /** Modules that the KM does not take, and its words. */
  get refused(): readonly { readonly module: string; readonly why: StatusResponse }[] {
    return [...this.#entries].flatMap(([module, { held }]) =>
      held === undefined || held.why === "busy" ? [] : [{ module, why: held.why }],
    );
  }

  /** A connection began: nothing was told over it. */
  connected(): void {
    for (const entry of this.#entries.values()) {
      entry.told = undefined;
      entry.toldAt = Number.NEGATIVE_INFINITY;
      entry.waits = false;
      entry.changed = true;
    }
  }

  /** The node shows another certificate: the KM may take what it refused. */
  recertified(): void {
    for (const entry of this.#entries.values()) entry.held = undefined;
  }

  /** Something in the node is otherwise than before. */
  changed(): void {
    for (const entry of this.#entries.values()) entry.changed = true;
  }

  /** What the KM is to be told at this moment. @param now monotonic ms @param most messages */
  due(now: number, most: number): readonly Due[] {
    const found: Due[] = [];
    for (const [module, entry] of this.#entries) {
      if (found.length >= most) break;
      const age = now - entry.toldAt;
      if (entry.waits || age < times.least || !(entry.changed || age >= times.every)) continue;
      const status = this.#look(module);
      if (status === undefined) continue;
      const { held } = entry;
      if (held !== undefined && now < held.until && held.ids === idsOf(status)) continue;
      entry.changed = false;
      const picture = pictureOf(status);
      if (picture === entry.told && age < times.every) continue;
      entry.told = picture;
      entry.toldAt = now;
      entry.waits = true;
      found.push({ module, status });
    }
    return found;
  }

  /** The KM answered for what it was told of a module last. */
  answered(module: string, response: StatusResponse, now: number): void {
    const entry = this.#entries.get(module);
    if (entry === undefined) return;
    entry.waits = false;
    if (response === "success") {
      entry.held = undefined;
      return;
    }
    const ids = (entry.told ?? "").split("\n", 1)[0] ?? "";
    const ms = response === "busy" ? times.busy : times.refused;
    entry.held = { ids, until: now + ms, why: response };
    // What the KM did not take it was not told.
    entry.told = undefined;
    entry.changed = true;
  }
}

function idsOf({ moduleId, matchingModuleId }: Status): string {
  return JSON.stringify([moduleId, matchingModuleId]);
}

/** What is told at once when it changes: not figures, and not words, which have ages in them. */
function pictureOf(status: Status): string {
  const { module, link, since, alarms } = status;
  const raised = alarms.map(({ id, severity, active, acknowledged, changedAt }) => {
    return [id, severity, active, acknowledged, changedAt];
  });
  return `${idsOf(status)}\n${JSON.stringify([module, link, since, raised])}`;
}
