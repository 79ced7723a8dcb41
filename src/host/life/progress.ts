/**
 * Whether the node gets anywhere. A timer that fires says only that the event loop turns; what counts
 * is that work which was begun comes to an end, and that what could go on does. Pure.
 *
 * What merely waits for others (a KM, a module, a broker) is not stuck: each such wait has a deadline
 * of its own, after which it is tried anew.
 */
import type { Clock } from "../../base/clock.ts";

/** Something that could go on at once whenever `ready` says so. */
export interface Flow {
  readonly name: string;
  /** There is work, and nothing to wait for. */
  readonly ready: () => boolean;
  /** Changes with every step. */
  readonly steps: () => number;
  /** May be ready for this long without a step, ms. */
  readonly limitMs: number;
}

/** Begins a task; what it returns is to be called when the task has ended. */
export type TaskBegin = (name: string) => () => void;

/** Nothing that the node does by itself takes this long, ms. */
const taskLimitMs = 60_000;

interface Task {
  readonly name: string;
  readonly since: number;
  readonly until: number;
}

interface Watched {
  readonly flow: Flow;
  steps: number;
  /** Since when it is ready without a step; undefined: it is not. */
  since: number | undefined;
}

export class Progress {
  readonly #tasks = new Map<symbol, Task>();
  readonly #flows: Watched[] = [];

  /**
   * A task began that must end within `limitMs` whatever others do.
   * @returns to be called when it has ended
   */
  begin(name: string, now: number, limitMs: number): () => void {
    const task = Symbol(name);
    this.#tasks.set(task, { name, since: now, until: now + limitMs });
    return () => void this.#tasks.delete(task);
  }

  /** How long the oldest task of this name that has not ended has been under way, ms; 0: there is none. */
  underWayMs(name: string, now: number): number {
    for (const task of this.#tasks.values()) if (task.name === name) return now - task.since;
    return 0;
  }

  /** For those who begin tasks and know no clock. */
  beginner(clock: Clock): TaskBegin {
    return (name) => this.begin(name, clock.now(), taskLimitMs);
  }

  watch(flow: Flow): void {
    this.#flows.push({ flow, steps: flow.steps(), since: undefined });
  }

  /** Names of what does not get anywhere. To be called every second or so. */
  stuck(now: number): string[] {
    const names: string[] = [];
    for (const { name, until } of this.#tasks.values()) if (now > until) names.push(name);
    for (const watched of this.#flows) {
      const { flow } = watched;
      const steps = flow.steps();
      if (!flow.ready() || steps !== watched.steps) watched.since = undefined;
      else watched.since ??= now;
      watched.steps = steps;
      if (watched.since !== undefined && now - watched.since > flow.limitMs) names.push(flow.name);
    }
    return names;
  }
}
