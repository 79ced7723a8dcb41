/** What the table of commands is made of. Pure. */

/** Names that the running node knows. */
export type NameKind = "module" | "km" | "alarm";

export interface OptionInfo {
  readonly name: string;
  /** What its value is called; absent for a switch. */
  readonly value?: string;
  readonly about: string;
  /** What its value is a name of. */
  readonly names?: NameKind;
}

export interface CommandInfo {
  readonly name: string;
  /** What follows the name on the command line. */
  readonly args: string;
  /** Most words after the name; default: one, if there are any. */
  readonly most?: number;
  /** Words that must come first, if any comes. */
  readonly words?: readonly string[];
  /** What the words after the name are, as far as the node knows their names: for completion. */
  readonly names?: readonly NameKind[];
  readonly summary: string;
  /** More of it, for its own help. */
  readonly about?: string;
  readonly options: readonly OptionInfo[];
  readonly examples: readonly string[];
  /** Talks to a node, or needs its configuration: takes --socket and --config. */
  readonly node: boolean;
  readonly json: boolean;
}

export const follow = (what: string): OptionInfo => ({
  name: "follow",
  about: `go on with ${what} as they come`,
});
export const last = (what: string): OptionInfo => ({
  name: "n",
  value: "N",
  about: `the last N ${what} (default 50)`,
});
export const selection: readonly OptionInfo[] = [
  { name: "all", about: "all that is kept back, blocks as a whole" },
  {
    name: "reason",
    value: "REASON",
    about: "with --all: only what is kept back for this (see kept)",
  },
  {
    name: "epoch",
    value: "EPOCH",
    about: "with --all: only blocks of this epoch, 16 hex digits",
  },
];
export const standard = { options: [], node: true, json: true } as const;
