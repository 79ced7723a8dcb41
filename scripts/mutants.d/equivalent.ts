/** Mutants that change nothing that could be seen, and why: no test can find them. */
export const equivalent: readonly {
  readonly file: string;
  readonly what: string;
  readonly why: string;
}[] = [];
