/**
 * The KM that keys of a stretch of blocks may have been written to without a record of each: such keys
 * are that KM's until it answers, or an operator says that it does not have them. What the
 * configuration says today has no part in it. Pure.
 */
import type { BlockRef } from "../../port/key.ts";
import type { LedgerEntry } from "../keys/ports.ts";

interface Claim {
  readonly from: number;
  readonly to: number;
  /** Names the KM, 32 hex digits. */
  readonly claimant: string;
}

export class Claims {
  /** By epoch, in the order of block numbers, none overlapping. */
  readonly #epochs = new Map<string, Claim[]>();

  get size(): number {
    let count = 0;
    for (const claims of this.#epochs.values()) count += claims.length;
    return count;
  }

  of({ epoch, number }: BlockRef): string | undefined {
    const claims = this.#epochs.get(epoch);
    // Blocks come in the order of their numbers: the newest stretch is asked for most.
    for (let i = (claims?.length ?? 0) - 1; i >= 0; i--) {
      const claim = claims?.[i] as Claim;
      if (number > claim.to) return undefined;
      if (number >= claim.from) return claim.claimant;
    }
    return undefined;
  }

  /** The last block of the epoch that is claimed. */
  endOf(epoch: string): number | undefined {
    return this.#epochs.get(epoch)?.at(-1)?.to;
  }

  /** Blocks `from` to `ref.number` are claimed, as far as no KM has claimed them before. */
  add({ epoch, number: to }: BlockRef, from: number, claimant: string): void {
    const known = this.#epochs.get(epoch) ?? [];
    const added: Claim[] = [];
    let next = from;
    for (const claim of known) {
      if (claim.to < next || claim.from > to) continue;
      if (next < claim.from) added.push({ from: next, to: claim.from - 1, claimant });
      next = claim.to + 1;
    }
    if (next <= to) added.push({ from: next, to, claimant });
    if (added.length === 0) return;
    this.#epochs.set(epoch, joined([...known, ...added].sort((a, b) => a.from - b.from)));
  }

  /** Blocks behind `ref` were never taken up. */
  untouched({ epoch, number }: BlockRef): void {
    const claims = (this.#epochs.get(epoch) ?? [])
      .filter(({ from }) => from <= number)
      .map((claim) => ({ ...claim, to: Math.min(claim.to, number) }));
    if (claims.length > 0) this.#epochs.set(epoch, claims);
    else this.#epochs.delete(epoch);
  }

  /** This KM has none of the keys that were not confirmed. */
  free(claimant: string): void {
    for (const [epoch, claims] of this.#epochs) {
      const left = claims.filter((claim) => claim.claimant !== claimant);
      if (left.length > 0) this.#epochs.set(epoch, left);
      else this.#epochs.delete(epoch);
    }
  }

  *entries(): Iterable<LedgerEntry> {
    for (const [epoch, claims] of this.#epochs) {
      for (const { from, to, claimant } of claims) {
        yield { kind: "claimed", ref: { epoch, number: to }, from, claimant };
      }
    }
  }
}

function joined(claims: readonly Claim[]): Claim[] {
  const result: Claim[] = [];
  for (const claim of claims) {
    const last = result.at(-1);
    if (last?.claimant === claim.claimant && last.to + 1 === claim.from) {
      result[result.length - 1] = { ...last, to: claim.to };
    } else result.push(claim);
  }
  return result;
}
