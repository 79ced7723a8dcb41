/** What a long campaign is. */

export interface Part {
  readonly title: string;
  run(scale: number, seed: number): Promise<Outcome> | Outcome;
}

export interface Outcome {
  readonly held: boolean;
  readonly figures: Readonly<Record<string, number>>;
}

export interface Campaign {
  readonly name: string;
  readonly parts: readonly Part[];
}

/** So many, at this scale of a run; one at least. */
export function times(count: number, scale: number): number {
  return Math.max(1, Math.round(count * scale));
}
