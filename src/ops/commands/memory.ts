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

  /** The highest counter of a key's commands that were carried out; 0 if none was. */
  counter(keyId: string): number {
    return this.#keys.get(keyId)?.counter ?? 0;
  }

  /** What became of a command; undefined if it is not known. */
  outcome(keyId: string, id: string): string | undefined {
    return this.#keys.get(keyId)?.recent.find((command) => command.id === id)?.outcome;
  }

  /** Notes a command that is about to be carried out, or what became of it. */
  note(keyId: string, id: string, counter: number, outcome: string): void {
    const memory = this.#keys.get(keyId) ?? { counter: 0, recent: [] };
    memory.counter = Math.max(memory.counter, counter);
    const known = memory.recent.find((command) => command.id === id);
    if (known !== undefined) known.outcome = outcome;
    else memory.recent = [...memory.recent, { id, outcome }].slice(-mostRecent);
    this.#keys.set(keyId, memory);
  }

  save(): Record<string, KeyMemory> {
    return structuredClone(Object.fromEntries(this.#keys));
  }
}
