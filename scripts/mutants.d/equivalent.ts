/** Mutants that change nothing that could be seen, and why: no test can find them. */
export const equivalent: readonly {
  readonly file: string;
  readonly what: string;
  readonly why: string;
}[] = [
  {
    file: "on-request/left-over.ts",
    what: "without if (known !== undefined) return;",
    why: "the same object is put where it is already",
  },
];
