/** Every command of the manager interface, in one table: its arguments and what guards it. */
import * as v from "valibot";

const module = v.pipe(v.string(), v.maxLength(64));
const ofModule = v.strictObject({ module });
const none = v.strictObject({});

export interface CommandSpec {
  readonly args: v.GenericSchema<unknown, unknown>;
  /** Cannot be undone: must name the boot counter as well. */
  readonly grave?: true;
}

export const commands = {
  start: { args: ofModule },
  stop: { args: ofModule },
  self_test: { args: ofModule },
  set_key_rate: {
    args: v.strictObject({
      module,
      /** bit/s; 0: as much as the link gives */
      bits_per_second: v.pipe(v.number(), v.minValue(0), v.maxValue(1e12)),
    }),
  },
  set_threshold: {
    args: v.strictObject({
      module,
      name: v.pipe(v.string(), v.maxLength(64)),
      value: v.pipe(v.number(), v.finite()),
    }),
  },
  acknowledge_alarm: { args: v.strictObject({ alarm: v.pipe(v.string(), v.maxLength(256)) }) },
  zeroize: { args: ofModule, grave: true },
  clear_tamper: { args: none, grave: true },
  release_quarantine: { args: v.record(v.string(), v.unknown()) },
  discard_quarantine: { args: v.record(v.string(), v.unknown()) },
  reload_certificates: { args: none },
  support_bundle: { args: none },
  install_update: { args: v.record(v.string(), v.unknown()), grave: true },
} as const satisfies Record<string, CommandSpec>;

export type CommandName = keyof typeof commands;

export const commandNames = Object.keys(commands) as readonly CommandName[];

export function isCommandName(name: string): name is CommandName {
  return Object.hasOwn(commands, name);
}

/** The arguments of a command as its table entry gives them. */
export type Args<Name extends CommandName> = v.InferOutput<(typeof commands)[Name]["args"]>;

/** A command whose arguments fit it. */
export type Order = {
  [Name in CommandName]: { readonly name: Name; readonly args: Args<Name> };
}[CommandName];

/** @returns undefined if the arguments are not those of the command */
export function orderOf(name: CommandName, args: unknown): Order | undefined {
  const result = v.safeParse(commands[name].args as v.GenericSchema<unknown, unknown>, args);
  return result.success ? ({ name, args: result.output } as Order) : undefined;
}

export function isGrave(name: CommandName): boolean {
  return (commands[name] as CommandSpec).grave === true;
}
