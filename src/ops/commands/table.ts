/** A table of commands: their arguments and what guards them. Each program has its own. Pure. */
import * as v from "valibot";

export interface CommandSpec {
  readonly args: v.GenericSchema<unknown, unknown>;
  /** Cannot be undone: must name the boot counter as well. */
  readonly grave?: true;
  /** The same only with this argument, `true`. */
  readonly graveWith?: string;
  /** It is carried out within this time, ms; default 30 s. */
  readonly withinMs?: number;
  /** Who carries it out believes the manager, not this program: it gets the signed command, too. */
  readonly proof?: true;
  /** For a person, one line. */
  readonly about: string;
}

export type CommandTable = Readonly<Record<string, CommandSpec>>;

export type NameOf<Table extends CommandTable> = keyof Table & string;

/** The arguments of a command as its table entry gives them. */
export type ArgsOf<Table extends CommandTable, Name extends NameOf<Table>> = v.InferOutput<
  Table[Name]["args"]
>;

/** A command whose arguments fit it. */
export type OrderOf<Table extends CommandTable> = {
  [Name in NameOf<Table>]: {
    readonly name: Name;
    readonly args: ArgsOf<Table, Name>;
    /** The signed command as it came (JWS); of commands that need a proof, and only if a manager gave it. */
    readonly signed?: string;
  };
}[NameOf<Table>];

export function isCommandOf<Table extends CommandTable>(
  table: Table,
  name: string,
): name is NameOf<Table> {
  return Object.hasOwn(table, name);
}

export function isGrave(spec: CommandSpec, args: Readonly<Record<string, unknown>>): boolean {
  return spec.grave === true || (spec.graveWith !== undefined && args[spec.graveWith] === true);
}

/** @returns undefined if the arguments are not those of the command */
export function orderIn<Table extends CommandTable>(
  table: Table,
  name: NameOf<Table>,
  args: unknown,
): OrderOf<Table> | undefined {
  const result = v.safeParse((table as CommandTable)[name]?.args ?? v.never(), args);
  return result.success ? ({ name, args: result.output } as OrderOf<Table>) : undefined;
}
