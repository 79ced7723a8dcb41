/**
 * A module's session as custody uses it: what is decided about a block reaches only the module that the
 * block is of. It may be decided while another one is connected, which has blocks of the same names.
 */
import type { BlockRef } from "../../port/key.ts";
import type { ModuleSession } from "../../port/module.ts";
import type { Origin } from "./origin.ts";

export class OwnSession {
  readonly #session: ModuleSession;
  readonly #origin: Origin;

  constructor(session: ModuleSession, origin: Origin) {
    this.#session = session;
    this.#origin = origin;
  }

  grant(blocks: number, bytes: number): void {
    this.#session.grant(blocks, bytes);
  }

  release(refs: readonly BlockRef[]): void {
    this.#tell("release", refs);
  }

  discard(refs: readonly BlockRef[]): void {
    this.#tell("discard", refs);
  }

  read(refs: readonly BlockRef[]): void {
    this.#tell("read", refs);
  }

  /** Whether the block is this module's. */
  owns(ref: BlockRef): boolean {
    return !this.#origin.isForeign(ref);
  }

  #tell(what: "release" | "discard" | "read", refs: readonly BlockRef[]): void {
    const own = refs.filter((ref) => this.owns(ref));
    if (own.length > 0) this.#session[what](own);
  }
}
