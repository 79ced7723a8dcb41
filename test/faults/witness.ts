/** Keeps the three ledgers of a rig for the oracle. */
import { createHmac, createSecretKey, randomBytes } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { scan } from "../../src/node/ledger/ledger-scan.ts";
import { blockName } from "../../src/port/key.ts";
import type { KmStore } from "../emulator/km/store.ts";
import type { BlockSource } from "../emulator/source/source.ts";
import type { BlockHistory } from "../emulator/store.ts";
import { slices } from "../rig/slices.ts";
import type { Ledgers, ModuleSays, NodeSays } from "./oracle.ts";

export class Witness {
  readonly source: BlockSource;
  readonly #secret = randomBytes(32);
  /** For bytes Node.js throws and catches an error in each call. */
  readonly #key = createSecretKey(this.#secret);
  readonly #keyBits: number | undefined;
  readonly #keys = { alice: new Map<string, string[]>(), bob: new Map<string, string[]>() };

  readonly #lost = { alice: new Map<string, string>(), bob: new Map<string, string>() };

  /** @param keyBits how the nodes are configured to cut blocks */
  constructor(source: BlockSource, keyBits: number | undefined) {
    this.#keyBits = keyBits;
    this.source = {
      ...source,
      next: () => {
        const block = source.next();
        if (block === undefined) return undefined;
        for (const end of ["alice", "bob"] as const) {
          const digests = slices(block.facts.bits, keyBits).map(({ offset, length }) =>
            this.#digest(block[end].subarray(offset / 8, (offset + length + 7) >> 3)),
          );
          this.#keys[end].set(blockName(block.facts.ref), digests);
        }
        return block;
      },
    };
  }

  /** What a KM had before it lost it: what the KM does with its keys is its own affair. */
  remember(end: "alice" | "bob", store: KmStore): void {
    for (const [id, digest] of store.digest(this.#secret)) this.#lost[end].set(id, digest);
  }

  /** Blocks of which the source told. */
  get blocks(): number {
    return this.#keys.alice.size;
  }

  #digest(bytes: Uint8Array): string {
    return createHmac("sha256", this.#key).update(bytes).digest("hex");
  }

  /** @param ledger the node's file; the node must not be running, or at rest */
  ledgers(
    end: "alice" | "bob",
    history: ReadonlyMap<string, BlockHistory>,
    ledger: string,
    store: KmStore,
  ): Ledgers {
    const module = new Map<string, ModuleSays>();
    for (const [name, { released, discarded }] of history) {
      module.set(name, { keys: this.#keys[end].get(name) ?? [], released, discarded });
    }
    const km = new Map(this.#lost[end]);
    let conflicts = store.summary().conflicts;
    for (const [id, digest] of store.digest(this.#secret)) {
      if ((km.get(id) ?? digest) !== digest) conflicts++;
      km.set(id, digest);
    }
    return { module, node: this.#readNode(ledger, history), km, kmConflicts: conflicts };
  }

  #readNode(file: string, history: ReadonlyMap<string, BlockHistory>): Map<string, NodeSays> {
    const said = new Map<string, NodeSays>();
    if (!existsSync(file)) return said;
    for (const block of scan(readFileSync(file), file).index.blocks()) {
      const name = blockName(block.ref);
      const all = slices(history.get(name)?.facts.bits ?? 0, this.#keyBits);
      said.set(name, {
        complete: block.state === "complete",
        keptBack: !["offered", "complete"].includes(block.state),
        first: all.filter(({ offset, length }) => offset + length <= block.deliveredBits).length,
        delivered: [...block.delivered],
        quarantined: [...block.quarantined.keys()],
      });
    }
    return said;
  }
}
