/** `qkd-image allowance`: the files around a manager's allowance for an older version. */
import { readFileSync } from "node:fs";
import { parse } from "smol-toml";
import * as v from "valibot";
import { errorCode } from "../../base/errors.ts";
import { publicKey } from "../commands/jws.ts";
import { anyCommandKeySchema } from "../commands/key-schema.ts";
import { replace } from "../site/durable.ts";
import { judgeAllowance } from "./allowance.ts";

/** Of the configuration, what an allowance is judged by. */
const configSchema = v.object({
  node: v.object({ id: v.string() }),
  manager: v.object({ command_key: v.array(anyCommandKeySchema) }),
});
const usedSchema = v.record(v.string(), v.pipe(v.number(), v.safeInteger(), v.minValue(0)));

export interface AllowanceFiles {
  /** The node's configuration. */
  readonly config: string;
  /** Counters of allowances that were used; made at first use. */
  readonly used: string;
}

/**
 * Takes an allowance: it is recorded as used before this returns, so that it is good once, whatever is killed.
 * @param message the command as the manager signed it (JWS)
 * @param wall ms since 1970 UTC
 * @returns whose it is, or why it is none @throws system errors, errors of unreadable files
 */
export function takeAllowance(
  message: Buffer,
  { config, used: file }: AllowanceFiles,
  sha256: string,
  wall: number,
): { readonly keyId: string } | string {
  const configured = v.safeParse(configSchema, parse(readFileSync(config, "utf8")));
  if (!configured.success) return "no command key";
  const { node, manager } = configured.output;
  const may = manager.command_key.filter(({ commands }) => commands.includes("install_update"));
  const keys = new Map(may.map(({ id, public_key }) => [id, publicKey(public_key)]));
  const used = readUsed(file);
  const judged = judgeAllowance(message, { node: node.id, keys, used, sha256, wall });
  if (typeof judged === "string") return judged;
  replace(file, JSON.stringify({ ...used, [judged.keyId]: judged.counter }));
  return { keyId: judged.keyId };
}

function readUsed(file: string): Record<string, number> {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    if (errorCode(error) === "ENOENT") return {};
    throw error;
  }
  return v.parse(usedSchema, JSON.parse(text));
}
