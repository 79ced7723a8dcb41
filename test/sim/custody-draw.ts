/** What a story of a custody is drawn from: configurations, and mistakes to be planted. */
import type { Ledger, LedgerEntry } from "../../src/node/keys/ports.ts";
import type { BlockRef } from "../../src/port/key.ts";

export const names = ["a", "b", "c"] as const;
export type Name = (typeof names)[number];

/** What one start of the node finds in its configuration. */
export interface Configuration {
  readonly kms: readonly { readonly name: Name; readonly box: number; readonly address: number }[];
  readonly keyBits: number | undefined;
  readonly onRequest: boolean;
}

export function drawConfiguration(draw: () => number): Configuration {
  const pick = <T>(list: readonly T[]): T => list[Math.floor(draw() * list.length)] as T;
  const count = pick([1, 1, 2, 3]);
  const first = Math.floor(draw() * names.length);
  const kms = Array.from({ length: count }, (_, i) => {
    const at = (first + i) % names.length;
    // Mostly each name is one box at one address; now and then another, or an address of its own.
    const box = draw() < 0.85 ? at : Math.floor(draw() * names.length);
    return { name: names[at] as Name, box, address: draw() < 0.9 ? 0 : 1 };
  });
  return {
    kms,
    keyBits: pick([128, 256, undefined]),
    onRequest: draw() < 0.3,
  };
}

/** Mistakes that the story must find, each made of what the code asks the ledger, or of a false word. */
export const plants = {
  "an operator frees a KM that has keys": none,
  "a repair leaves no doubt": none,
  "a KM is its name alone": none,
  "a sync is left out": none,
  "a folder's sync is left out": none,
  "whose a stretch is is not asked": () => ({ claimantOf: () => undefined }),
  "an epoch's pair is not asked": () => ({ pairOf: () => undefined }),
  "what was let go of is not asked": () => ({ isPast: () => false as const }),
  "how a stretch was cut is not asked": () => ({ keyFormatOf: () => undefined }),
  "nothing waits for the disk": () => ({ whenDurable: (then: () => void) => then() }),
  "whose a key is is not recorded": without("assigned"),
  "whose a stretch is is not recorded": without("claimed", "cut"),
  "an epoch's pair is not recorded": without("paired"),
  "what is in doubt is not asked": () => ({ isDoubtful: () => false }),
} as const satisfies Record<string, (ledger: Ledger) => Partial<Ledger>>;

function none(): Partial<Ledger> {
  return {};
}

/** A ledger to which entries of these kinds are lost. */
function without(...kinds: readonly LedgerEntry["kind"][]) {
  return (ledger: Ledger): Partial<Ledger> => {
    const append = ledger.append.bind(ledger);
    return { append: (entry) => (kinds.includes(entry.kind) ? undefined : append(entry)) };
  };
}

export type Plant = keyof typeof plants;

/** A block's reference, from its name. */
export function refOf(name: string): BlockRef {
  const [epoch = "", number = ""] = name.split("/");
  return { epoch, number: Number(number) };
}
