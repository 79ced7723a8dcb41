/** The other KM's keys by what they are bound for: a relay that comes to nothing is looked up, among many others. Pure. */
import type { Use } from "./shapes.ts";

export class ByRequest {
  readonly #uses = new Map<string, Set<Use>>();

  add(use: Use): void {
    if (use.owner || use.request === undefined) return;
    const found = this.#uses.get(use.request);
    if (found === undefined) this.#uses.set(use.request, new Set([use]));
    else found.add(use);
  }

  delete(use: Use): void {
    if (use.request === undefined) return;
    const found = this.#uses.get(use.request);
    if (found?.delete(use) && found.size === 0) this.#uses.delete(use.request);
  }

  of(request: string): readonly Use[] {
    return [...(this.#uses.get(request) ?? [])];
  }
}
