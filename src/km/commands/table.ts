/** Every command that a key manager takes from its manager, in one table: its arguments and what guards it. */
import * as v from "valibot";
import { time } from "../../ops/commands/request.ts";
import type { ArgsOf, CommandTable, OrderOf } from "../../ops/commands/table.ts";

const name = v.pipe(v.string(), v.maxLength(64));

export const commands = {
  acknowledge_alarm: {
    args: v.strictObject({ alarm: v.pipe(v.string(), v.maxLength(256)) }),
    about: "somebody has seen the alarm; what is latched and over is cleared",
  },
  compromise: {
    args: v.strictObject({
      link: name,
      from: time,
      to: v.optional(time),
      delete: v.optional(v.boolean()),
    }),
    graveWith: "delete",
    // All records are read, twice; keys on their way are waited for.
    withinMs: 120_000,
    about:
      "how much others could know if the link was not safe from `from` to `to` (now, if it is left out); " +
      "with `delete` what is free of it is void at both ends",
  },
  reload_certificates: {
    args: v.strictObject({}),
    about: "renewed certificate files are taken at once",
  },
  support_bundle: {
    args: v.strictObject({}),
    // Records are searched, and the doctor waits for what does not answer.
    withinMs: 120_000,
    about: "a support bundle is made on the key manager's disk",
  },
} as const satisfies CommandTable;

export type CommandName = keyof typeof commands;

export const commandNames = Object.keys(commands) as readonly CommandName[];

export type Args<Name extends CommandName> = ArgsOf<typeof commands, Name>;

/** A command whose arguments fit it. */
export type Order = OrderOf<typeof commands>;
