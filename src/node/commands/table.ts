/** Every command that a node's manager may give, in one table: its arguments and what guards it. */
import * as v from "valibot";
import {
  type ArgsOf,
  type CommandTable,
  isCommandOf,
  type OrderOf,
  orderIn,
} from "../../ops/commands/table.ts";

const name = v.pipe(v.string(), v.maxLength(64));
const ofModule = v.strictObject({ module: name });
/** `key_ID` may be a block as well, `EPOCH/NUMBER`. */
const ofKey = v.strictObject({ module: name, key_ID: v.pipe(v.string(), v.maxLength(128)) });
/** All that is kept back, or what is kept back for one reason, or of one epoch. */
const ofAll = v.strictObject({
  module: name,
  all: v.literal(true),
  reason: v.optional(name),
  epoch: v.optional(v.pipe(v.string(), v.regex(/^[0-9a-f]{16}$/))),
});
const ofKeys = v.union([ofKey, ofAll]);
const none = v.strictObject({});

export const commands = {
  start: { args: ofModule, about: "the module distils" },
  stop: { args: ofModule, about: "the module stops distilling; keys that it holds stay" },
  self_test: { args: ofModule, about: "the module tests itself" },
  set_key_rate: {
    args: v.strictObject({
      module: name,
      /** bit/s; 0: as much as the link gives */
      bits_per_second: v.pipe(v.number(), v.minValue(0), v.maxValue(1e12)),
    }),
    about: "the key rate to aim at, bit/s; 0: as much as the link gives",
  },
  set_threshold: {
    args: v.strictObject({
      module: name,
      name,
      value: v.pipe(v.number(), v.finite()),
    }),
    about: "a threshold of the alarms, by its name in `[module.alarms]`; also for after a restart",
  },
  acknowledge_alarm: {
    args: v.strictObject({ alarm: v.pipe(v.string(), v.maxLength(256)) }),
    about: "somebody has seen the alarm; what is latched and over is cleared",
  },
  release_quarantine: {
    args: ofKeys,
    about: "a key in quarantine, or what is withheld, is offered to the KM after all",
  },
  discard_quarantine: {
    args: ofKeys,
    about: "a key in quarantine, or what is withheld, is given up at this end",
  },
  withhold: { args: ofKey, about: "a key that waits, or a block that is to come, is kept back" },
  free_km: {
    args: v.strictObject({ module: name, km: name }),
    about: "keys that wait for a KM which will not come back may go to another",
  },
  accept_km: {
    args: v.strictObject({ km: name }),
    about: "a KM whose certificate or address changed is the one that it was before",
  },
  accept_module: {
    args: v.strictObject({ module: name, module_id: v.pipe(v.string(), v.maxLength(128)) }),
    about: "another module was put in on purpose: this one is served from now on",
  },
  reload_certificates: { args: none, about: "renewed certificate files are taken at once" },
  support_bundle: { args: none, about: "a support bundle is made on the node's disk" },
  zeroize: { args: ofModule, grave: true, about: "the module destroys all its key" },
  install_update: {
    args: v.record(v.string(), v.unknown()),
    grave: true,
    proof: true,
    about: "signed software is installed",
  },
  clear_tamper: {
    args: none,
    grave: true,
    about: "the chassis was inspected after it was opened: supply may go on",
  },
} as const satisfies CommandTable;

export type CommandName = keyof typeof commands;

export const commandNames = Object.keys(commands) as readonly CommandName[];

export function isCommandName(name: string): name is CommandName {
  return isCommandOf(commands, name);
}

/** The arguments of a command as its table entry gives them. */
export type Args<Name extends CommandName> = ArgsOf<typeof commands, Name>;

/** A command whose arguments fit it. */
export type Order = OrderOf<typeof commands>;

/** @returns undefined if the arguments are not those of the command */
export function orderOf(name: CommandName, args: unknown): Order | undefined {
  return orderIn(commands, name, args);
}
