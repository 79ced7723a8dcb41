/** Questions of applications for keys that were offered to them, until the owner has answered for all of their keys. Pure. */
import type { IsWanted } from "../../base/wanted.ts";
import { slavesOf } from "../store/sae-set.ts";
import type { Use } from "../store/shapes.ts";

export interface OpenTake {
  readonly uses: readonly Use[];
  /** Place of the application among the slaves of its set. */
  readonly slave: number;
  /** IDs that the owner has not answered for. */
  readonly left: Set<string>;
  readonly deadline: number;
  readonly isWanted: IsWanted;
  readonly done: (result: readonly Use[] | "unknown" | "late") => void;
}

/** Names one slave of a key. */
function placeOf(id: string, slave: number): string {
  return slave === 0 ? id : `${id} ${slave}`;
}

export class OpenTakes {
  /** By ID and slave. */
  readonly #open = new Map<string, OpenTake>();
  /** Keys and slaves of which the owner was asked, in this session or the last one, and has not answered: it may count them as taken. */
  readonly #asked = new Set<string>();

  get size(): number {
    return this.#open.size;
  }

  /** The question of this slave that the key is part of. */
  of(id: string, slave: number): OpenTake | undefined {
    return this.#open.get(placeOf(id, slave));
  }

  /** Questions of this slave about these keys whose answer is not heard any more. */
  unheard(ids: readonly string[], slave: number): Iterable<OpenTake> {
    return new Set(ids.flatMap((id) => this.of(id, slave) ?? []).filter((one) => !one.isWanted()));
  }

  /** Each once. */
  all(): Iterable<OpenTake> {
    return new Set(this.#open.values());
  }

  begin(open: OpenTake): void {
    for (const { id } of open.uses) this.#open.set(placeOf(id, open.slave), open);
  }

  end({ uses, slave }: OpenTake): void {
    for (const { id } of uses) this.#open.delete(placeOf(id, slave));
  }

  asked(id: string, slave: number): void {
    this.#asked.add(placeOf(id, slave));
  }

  answered(id: string, slave: number): void {
    this.#asked.delete(placeOf(id, slave));
  }

  /** Another session: what the owner counts as taken, the comparison has told. */
  allAnswered(): void {
    this.#asked.clear();
  }

  /** How often the owner was asked and has not answered. */
  get unanswered(): number {
    return this.#asked.size;
  }

  /** A take of it is open, or the owner has not answered: it may count the key as taken. */
  isOpen({ id, request }: Use): boolean {
    for (let slave = 0; slave < slavesOf(request); slave++) {
      const place = placeOf(id, slave);
      if (this.#asked.has(place) || this.#open.has(place)) return true;
    }
    return false;
  }
}
