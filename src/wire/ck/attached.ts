/** Connections of KMs at a controller: one counts of each KM, the newest. Pure. */
import { Fault } from "../../base/errors.ts";
import type { CkSession } from "./session.ts";

export class AttachedKms {
  readonly #sessions = new Map<string, CkSession>();

  /** KMs that are connected. */
  get size(): number {
    return this.#sessions.size;
  }

  /** The connection of a KM; undefined if it has none. @param km name in its certificate */
  of(km: string): CkSession | undefined {
    return this.#sessions.get(km);
  }

  /** A KM has connected. An older connection of it may be half open, and is ended. */
  attach(km: string, session: CkSession): void {
    const before = this.#sessions.get(km);
    this.#sessions.set(km, session);
    before?.end(new Fault("ck.closed", "another connection of the KM took its place", { km }));
  }

  /** Its connection is over. An older one changes nothing. */
  detach(km: string, session: CkSession): void {
    if (this.#sessions.get(km) === session) this.#sessions.delete(km);
  }
}
