/**
 * Who a KM is: its configured name, and what it proves under that name. Keys that may be with a KM are
 * bound to that identity, so a configuration that points a known name to another KM, or another
 * address, hands none of them over. An operator says that it is the same KM (`accept_km`), or that the
 * one before has none of them (`free_km`). Pure.
 */
import { claimantOfKm } from "../keys/key-id.ts";

/** A KM under one name, as it was at some time. */
export interface KmProof {
  /** What it proves, for people: the name in its certificate and its address. */
  readonly proven: string;
  /** Its claimant in the ledgers, 32 hex digits; `slot` in the state on disk. */
  readonly slot: string;
}

/** What is remembered of a KM's name. */
export interface KnownKm extends KmProof {
  /** Slots of earlier identities that an operator said are the same KM. */
  readonly same: readonly string[];
  /** Earlier identities about which no operator has decided; the newest last. */
  readonly former: readonly KmProof[];
}

/** Earlier identities that are remembered of one name. */
const mostFormer = 16;

/**
 * @param wereLost whether there may have been a KM of this name that is not remembered any more
 * @returns what is remembered from now on; the same object if that has not changed
 */
export function recognise(
  known: KnownKm | undefined,
  name: string,
  proven: string,
  wereLost = false,
): KnownKm {
  if (known === undefined) {
    const slot = claimantOfKm(name);
    if (!wereLost) return { proven, slot, same: [], former: [] };
    const former = [{ proven: "before the state was lost", slot }];
    return { proven, slot: claimantOfKm(`${name}\0${proven}`), same: [], former };
  }
  if (known.proven === proven) return known;
  // What was said to be the same as the one before is not the same as this one.
  const before = [known.slot, ...known.same].map((slot) => ({ proven: known.proven, slot }));
  const all = [...known.former, ...before];
  const [slot = claimantOfKm(`${name}\0${proven}`), ...same] = all
    .filter((one) => one.proven === proven)
    .map((one) => one.slot);
  const former = all.filter((one) => one.proven !== proven && one.slot !== slot);
  return { proven, slot, same, former: former.slice(-mostFormer) };
}

/** An operator's word: all that were ever known under this name are the same KM. */
export function accept(known: KnownKm): KnownKm {
  const same = [...known.same, ...known.former.map(({ slot }) => slot)].slice(-mostFormer);
  return { ...known, same, former: [] };
}

/** The name that people know a slot by. */
export function nameOfClaimant(
  kms: Readonly<Record<string, KnownKm>>,
  slot: string,
): string | undefined {
  for (const [name, { slot: now, same, former }] of Object.entries(kms)) {
    if (now === slot || same.includes(slot)) return name;
    const before = former.find((one) => one.slot === slot);
    if (before !== undefined) return `${name} (as ${before.proven})`;
  }
  return undefined;
}
