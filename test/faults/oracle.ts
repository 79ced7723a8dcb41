/**
 * Three ledgers of one key's life, each kept by somebody else: what the module distilled and let go
 * of, what the node recorded, what the KM stored. Where they do not fit together, somebody lied or
 * something was lost. Pure; keys appear as keyed digests alone.
 */

/** What a module says of a block. */
export interface ModuleSays {
  /** A digest for each QKD-key that the block is cut into, in order. */
  readonly keys: readonly string[];
  readonly released: boolean;
  readonly discarded: boolean;
}

/** What the node recorded of a block that the module was not yet seen to release. */
export interface NodeSays {
  readonly complete: boolean;
  /** Withheld, unreadable, or given up by an operator. */
  readonly keptBack: boolean;
  /** How many keys from the block's first on were delivered. */
  readonly first: number;
  /** key_IDs, delivered beside these, and in quarantine. */
  readonly delivered: readonly string[];
  readonly quarantined: readonly string[];
}

export interface Ledgers {
  readonly module: ReadonlyMap<string, ModuleSays>;
  readonly node: ReadonlyMap<string, NodeSays>;
  /** key_ID → digest. */
  readonly km: ReadonlyMap<string, string>;
  /** Times that an ID came with other bytes than before. */
  readonly kmConflicts: number;
}

/**
 * @param settled nothing is on its way any more: whatever is still held must have a reason
 * @returns what does not fit, in words; empty if all does
 */
export function audit({ module, node, km, kmConflicts }: Ledgers, settled: boolean): string[] {
  const wrong: string[] = [];
  if (kmConflicts > 0) wrong.push(`the KM got ${kmConflicts} IDs with other bytes than before`);

  const idsOf = new Map<string, string[]>();
  for (const [id, digest] of km) idsOf.set(digest, [...(idsOf.get(digest) ?? []), id]);
  for (const ids of idsOf.values()) {
    if (ids.length > 1) wrong.push(`one key has ${ids.length} IDs: ${ids.join(", ")}`);
  }

  const distilled = new Set<string>();
  for (const [block, { keys, released, discarded }] of module) {
    for (const key of keys) distilled.add(key);
    const missing = keys.filter((key) => !idsOf.has(key)).length;
    if (missing === 0) continue;
    if (released) wrong.push(`${block}: released, and ${missing} of its keys are not with the KM`);
    else if (!discarded && settled && !hasReason(node.get(block), missing)) {
      wrong.push(`${block}: held, ${missing} keys are not with the KM, and no reason is recorded`);
    }
  }
  for (const [digest, ids] of idsOf) {
    if (!distilled.has(digest)) wrong.push(`${ids.join(", ")}: a key that no module distilled`);
  }

  for (const [block, says] of node) {
    const keys = module.get(block)?.keys ?? [];
    if (says.complete && keys.some((key) => !idsOf.has(key))) {
      wrong.push(`${block}: complete by the node's ledger, and the KM lacks a key of it`);
    }
    if (keys.slice(0, says.first).some((key) => !idsOf.has(key))) {
      wrong.push(
        `${block}: ${says.first} keys delivered by the node's ledger, and not all with the KM`,
      );
    }
    for (const id of says.delivered) {
      if (!km.has(id)) wrong.push(`${id}: delivered by the node's ledger, and not with the KM`);
    }
  }
  return wrong;
}

function hasReason(says: NodeSays | undefined, missing: number): boolean {
  return says !== undefined && (says.keptBack || says.quarantined.length >= missing);
}

/** Whether two ends of a link have the same keys under the same IDs, as far as both have them. */
export function compareEnds(alice: Ledgers, bob: Ledgers): string[] {
  const wrong: string[] = [];
  for (const [id, digest] of alice.km) {
    const other = bob.km.get(id);
    if (other !== undefined && other !== digest) wrong.push(`${id}: another key at the other end`);
  }
  const idOf = new Map([...bob.km].map(([id, digest]) => [digest, id]));
  for (const [id, digest] of alice.km) {
    const other = idOf.get(digest);
    if (other !== undefined && other !== id) wrong.push(`${id}: called ${other} at the other end`);
  }
  return wrong;
}
