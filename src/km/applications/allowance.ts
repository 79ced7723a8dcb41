/** How many keys an application may have: so many at once, and so many a second in the long run. Pure. */

export class KeyAllowance {
  readonly #left = new Map<string, { keys: number; at: number }>();

  /**
   * @param now monotonic, ms
   * @returns 0 if it may have them: they are counted then; else in how many seconds it may
   */
  take(
    application: string,
    keys: number,
    { keysPerS, burst }: { readonly keysPerS: number; readonly burst: number },
    now: number,
  ): number {
    const before = this.#left.get(application) ?? { keys: burst, at: now };
    const left = Math.min(burst, before.keys + ((now - before.at) / 1_000) * keysPerS);
    // More than its burst at once: when it has not had any for a while.
    const needed = Math.min(keys, burst);
    if (left >= needed) {
      this.#left.set(application, { keys: left - keys, at: now });
      return 0;
    }
    this.#left.set(application, { keys: left, at: now });
    return Math.ceil((needed - left) / keysPerS);
  }

  /** It had none of them in the end. */
  giveBack(application: string, keys: number): void {
    const left = this.#left.get(application);
    if (left !== undefined) left.keys += keys;
  }

  /** Applications that are not in the table any more are forgotten. */
  keep(known: (application: string) => boolean): void {
    for (const id of this.#left.keys()) if (!known(id)) this.#left.delete(id);
  }
}
