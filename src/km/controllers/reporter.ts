/**
 * What one controller was told, and so what it is still to be told: all of it once, then what changed; at once where
 * routes may depend on it. A report is bounded: what has no place in one is in the next. Pure.
 */
import type { CkExtension, CkMessageOf } from "../../wire/ck/messages.ts";
import type { Telling } from "./report.ts";

/** Objects of one report, and bytes of them. */
const most = { objects: 900, bytes: 700_000 } as const;

interface Known {
  readonly json: string;
  readonly urgent: string;
}

export class Reporter {
  readonly #km: string;
  #known = new Map<string, Known>();

  /** @param km ID of this KM */
  constructor(km: string) {
    this.#km = km;
  }

  /** All of it: what was told before counts no more. @param wall ms since 1970 UTC */
  whole(all: ReadonlyMap<string, Telling>, wall: number): CkMessageOf<"report"> {
    this.#known = new Map();
    return {
      ...this.#report(
        this.#pick(all, () => true),
        wall,
      ),
      whole: true,
    };
  }

  /** What was told may not have been taken in: all of it is to be told again. */
  forget(): void {
    this.#known = new Map();
  }

  /** What is other than it was told. */
  changed(all: ReadonlyMap<string, Telling>, wall: number): CkMessageOf<"report"> {
    for (const key of this.#known.keys()) if (!all.has(key)) this.#known.delete(key);
    return this.#report(
      this.#pick(all, () => true),
      wall,
    );
  }

  /** @returns undefined if nothing that matters at once is other than it was told */
  urgent(all: ReadonlyMap<string, Telling>, wall: number): CkMessageOf<"report"> | undefined {
    const isUrgent = (key: string, { urgent }: Telling) =>
      urgent !== "" && this.#known.get(key)?.urgent !== urgent;
    const objects = this.#pick(all, isUrgent);
    return objects.length === 0 ? undefined : this.#report(objects, wall);
  }

  #pick(
    all: ReadonlyMap<string, Telling>,
    isDue: (key: string, telling: Telling) => boolean,
  ): CkExtension[] {
    const objects: CkExtension[] = [];
    let bytes = 0;
    for (const [key, telling] of all) {
      if (!isDue(key, telling)) continue;
      const json = JSON.stringify(telling.object);
      if (this.#known.get(key)?.json === json) continue;
      bytes += Buffer.byteLength(json);
      if (objects.length >= most.objects || bytes > most.bytes) break;
      objects.push(telling.object);
      this.#known.set(key, { json, urgent: telling.urgent });
    }
    return objects;
  }

  #report(extension: readonly CkExtension[], wall: number): CkMessageOf<"report"> {
    return {
      type: "report",
      sourceKm: this.#km,
      at: wall,
      ...(extension.length > 0 && { extension }),
    };
  }
}
