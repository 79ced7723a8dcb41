/** QKD-keys of one module that came in a period, and what each became. Pure. */
import { cameIn, type Origin, type Period } from "../keys/origin.ts";
import { cameAnyIn } from "./choice.ts";
import type { RecordView } from "./codec.ts";
import { uuid } from "./kma-key-id.ts";
import { runsOf } from "./notes.ts";
import { idAt, time } from "./story.ts";
import type { KeyLine, KeyList } from "./tellings.ts";

/** Keys of an answer: the rest is counted. */
export const mostListed = 10_000;

const became: Readonly<Record<string, KeyLine["became"]>> = {
  matched: "matched",
  expired: "no_match",
  differs: "differs",
  dropped: "dropped",
  conflict: "conflict",
};

export class ListSearch {
  readonly #module: string;
  readonly #period: Period;
  readonly #keys: KeyLine[] = [];
  #leftOut = 0;

  /** @param module QKD module ID, of this end's module */
  constructor(module: string, period: Period) {
    this.#module = module;
    this.#period = period;
  }

  find(view: RecordView): void {
    const what = became[view.kind];
    if (what === undefined) return;
    if (view.at < this.#period.from && !cameAnyIn(view.facts, this.#period)) return;
    const record = view.decode();
    if (!record.facts.modules?.some(([module]) => module === this.#module)) return;
    const extent = view.kind === "matched" ? record.ranges[0]?.extent : undefined;
    for (const { index, count, origin, modules } of runsOf(record)) {
      if (modules[0] !== this.#module || !cameIn(origin, this.#period)) continue;
      for (let i = 0; i < count; i++) this.#add(idAt(record.ids, index + i), origin, what, extent);
    }
  }

  /** A key that waits for its match. */
  waits(id: Buffer, origin: Origin): void {
    if (cameIn(origin, this.#period)) this.#add(id, origin, "waits", undefined);
  }

  #add(
    id: Buffer,
    { at, bits, generatedAt }: Omit<Origin, "module">,
    what: KeyLine["became"],
    extent: number | undefined,
  ): void {
    if (this.#keys.length === mostListed) {
      this.#leftOut++;
      return;
    }
    this.#keys.push({
      id: uuid(id),
      received: time(at),
      ...(generatedAt !== undefined && { generated: time(generatedAt) }),
      bits,
      became: what,
      ...(extent !== undefined && { extent }),
    });
  }

  result(): KeyList {
    return { module_id: this.#module, keys: this.#keys, left_out: this.#leftOut };
  }
}
