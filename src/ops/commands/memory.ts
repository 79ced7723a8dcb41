/**
 * What was carried out: for each key the highest counter, and what became of its last commands. A
 * counter alone would do to carry nothing out twice; the rest is for who asks again. Pure.
 */

export interface KeyMemory {
  counter: number;
  /** Newest last. */
  recent: { id: string; outcome: string }[];
}

/** A command is being carried out. */
export const inProgress = "in_progress";
/** The node ended while it was: whether it had an effect is not known. */
const interrupted = "interrupted";

/** Commands remembered for each key. */
const mostRecent = 32;

export class CommandMemory {
  readonly #keys: Map<string, KeyMemory>;
  /** Of each key: what is being carried out, by ID, and its counter. */
  readonly #begun = new Map<string, Map<string, number>>();

  /**
   * @param saved as {@link save} gave it. Keys that are not configured any more are kept: one that
   *   comes back must not bring its old commands back.
   */
  constructor(saved: Readonly<Record<string, KeyMemory>>) {
    const keys = structuredClone(saved);
    for (const { recent } of Object.values(keys)) {
      // This process is not carrying it out.
      for (const command of recent)
        if (command.outcome === inProgress) command.outcome = interrupted;
    }
    this.#keys = new Map(Object.entries(keys));
  }

  /** The highest counter of a key's commands that were carried out or are being; 0 if none was. */
  counter(keyId: string): number {
    const begun = this.#begun.get(keyId)?.values() ?? [];
    return Math.max(this.#keys.get(keyId)?.counter ?? 0, ...begun);
  }

  /** What became of a command; undefined if it is not known. */
  outcome(keyId: string, id: string): string | undefined {
    return this.#keys.get(keyId)?.recent.find((command) => command.id === id)?.outcome;
  }

  /** A command is about to be carried out. */
  begin(keyId: string, id: string, counter: number): void {
    const begun = this.#begun.get(keyId) ?? new Map<string, number>();
    this.#begun.set(keyId, begun.set(id, counter));
    this.#note(keyId, id, inProgress);
  }

  /** What became of a command that had begun. */
  end(keyId: string, id: string, outcome: string): void {
    const counter = this.#over(keyId, id);
    const memory = this.#note(keyId, id, outcome);
    memory.counter = Math.max(memory.counter, counter);
  }

  /** A command that had begun is not carried out: as if it had never come, and it may come again. */
  withdraw(keyId: string, id: string): void {
    this.#over(keyId, id);
    const memory = this.#keys.get(keyId);
    if (memory === undefined) return;
    memory.recent = memory.recent.filter((command) => command.id !== id);
    if (memory.counter === 0 && memory.recent.length === 0) this.#keys.delete(keyId);
  }

  #note(keyId: string, id: string, outcome: string): KeyMemory {
    const memory = this.#keys.get(keyId) ?? { counter: 0, recent: [] };
    const known = memory.recent.find((command) => command.id === id);
    if (known !== undefined) known.outcome = outcome;
    else memory.recent = [...memory.recent, { id, outcome }].slice(-mostRecent);
    this.#keys.set(keyId, memory);
    return memory;
  }

  /** @returns its counter */
  #over(keyId: string, id: string): number {
    const begun = this.#begun.get(keyId);
    const counter = begun?.get(id) ?? 0;
    begun?.delete(id);
    return counter;
  }

  save(): Record<string, KeyMemory> {
    const keys = structuredClone(Object.fromEntries(this.#keys));
    // What has begun counts as carried out for a process that finds this.
    for (const [keyId, memory] of Object.entries(keys)) memory.counter = this.counter(keyId);
    return keys;
  }
}
