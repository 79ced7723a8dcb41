/** Every command that a controller takes from its manager, in one table: its arguments and what guards it. */
import * as v from "valibot";
import { mostCharacters } from "../../host/config/characters.ts";
import { type RevocationReason, revocationReasons } from "../../host/tls/issue.ts";
import type { ArgsOf, CommandTable, OrderOf } from "../../ops/commands/table.ts";
import { services } from "../model/status.ts";

const id = v.pipe(v.string(), v.minLength(1), mostCharacters(128));
/** KM ID, or `KM1--KM2`: what is in quotes there has an escape for each quote. */
const component = v.pipe(v.string(), v.minLength(1), mostCharacters(520));

/** PKCS #10 in PEM. */
const request = v.pipe(v.string(), v.maxLength(4_096));
const names = v.pipe(v.array(v.pipe(v.string(), v.maxLength(512))), v.maxLength(16), v.readonly());
const reasons = Object.keys(revocationReasons) as RevocationReason[];

export const commands = {
  acknowledge_alarm: {
    args: v.strictObject({ alarm: v.pipe(v.string(), mostCharacters(600)) }),
    about: "somebody has seen the alarm; what is latched and over is cleared",
  },
  set_service: {
    args: v.strictObject({
      component,
      service: v.picklist(services),
    }),
    about: "a node (KM ID) or link (KM1--KM2) is in or out of service, stands by, or is reserved",
  },
  register: {
    args: v.strictObject({
      kind: v.picklist(["km", "application"]),
      id,
      km: v.optional(id),
      class: v.optional(v.pipe(v.string(), v.maxLength(64))),
      request: v.optional(request),
      names: v.optional(names),
    }),
    about:
      "a key manager may connect, or an application may ask for sessions and relays; with a request it gets a certificate",
  },
  certify: {
    args: v.strictObject({
      kind: v.picklist(["km", "application"]),
      id,
      request,
      names: v.optional(names),
    }),
    about: "who is registered gets another certificate",
  },
  revoke: {
    args: v.strictObject({
      serial: v.pipe(v.string(), v.regex(/^[0-9a-f]{2,40}$/)),
      reason: v.optional(v.picklist(reasons), "unspecified"),
    }),
    about: "a certificate that was issued is taken back",
  },
  withdraw: {
    args: v.strictObject({ kind: v.picklist(["km", "application"]), id }),
    about: "it may not any more: it is cut off, and its certificates are taken back",
  },
  reload_certificates: {
    args: v.strictObject({}),
    about: "renewed certificate files are taken at once",
  },
  support_bundle: {
    args: v.strictObject({}),
    // The doctor waits for what does not answer.
    withinMs: 120_000,
    about: "a support bundle is made on the controller's disk",
  },
} as const satisfies CommandTable;

export type CommandName = keyof typeof commands;

export const commandNames = Object.keys(commands) as readonly CommandName[];

export type Args<Name extends CommandName> = ArgsOf<typeof commands, Name>;

/** A command whose arguments fit it. */
export type Order = OrderOf<typeof commands>;
