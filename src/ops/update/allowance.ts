/**
 * Whether a manager allowed an older version, as root finds out: from the signed command and the configuration's
 * command keys. The node passes the command on, and is not believed about it. Pure.
 */
import type { KeyObject } from "node:crypto";
import * as v from "valibot";
import { openJws } from "../commands/jws.ts";
import { readRequest } from "../commands/request.ts";

/** Fetching a bundle takes an hour at the most, and the command may have expired meanwhile, ms. */
const graceMs = 2 * 3_600_000;
/** A manager's clock may be this far ahead of the machine's, ms. */
const skewMs = 30_000;

const argsSchema = v.object({ sha256: v.string(), allow_downgrade: v.literal(true) });

export interface AllowanceRules {
  /** The node's ID, by the configuration. */
  readonly node: string;
  /** Public keys that may give `install_update`, by their IDs. */
  readonly keys: ReadonlyMap<string, KeyObject>;
  /** By key, the counter of the last command that was used: an allowance is good once. */
  readonly used: Readonly<Record<string, number>>;
  /** SHA-256 of the bundle that is to be installed. */
  readonly sha256: string;
  /** ms since 1970 UTC */
  readonly wall: number;
}

/** An allowance that is good; `counter` is to be recorded before it is used. */
export interface Allowance {
  readonly keyId: string;
  readonly counter: number;
}

/** @param message the command as the manager signed it (JWS) @returns why not, as a text */
export function judgeAllowance(message: Buffer, rules: AllowanceRules): Allowance | string {
  const { node, keys, used, sha256, wall } = rules;
  const opened = openJws(message, (id) => keys.get(id));
  if (typeof opened === "string") return opened;
  const request = readRequest(opened.payload);
  if (request === undefined) return "malformed";
  const { keyId } = opened;
  const { command, counter, issued, expires } = request;
  if (command !== "install_update") return "another command";
  if (request.node !== node) return "for another node";
  const args = v.safeParse(argsSchema, request.args);
  if (!args.success) return "it allows no older version";
  if (args.output.sha256 !== sha256) return "for another bundle";
  if (issued > wall + skewMs) return "not yet valid";
  if (expires + graceMs < wall) return "expired";
  if (counter <= (used[keyId] ?? 0)) return "used before";
  return { keyId, counter };
}
