import * as v from "valibot";
import { name } from "../../host/config/name.ts";
import { isPublicKey } from "./jws.ts";

const signer = {
  id: name,
  public_key: v.pipe(
    v.string(),
    v.check(isPublicKey, "expected an Ed25519 public key: 32 bytes in base64url"),
  ),
};

/** Who may give which commands. @param names of the program's commands */
export function commandKeySchema<Name extends string>(names: readonly Name[]) {
  return v.strictObject({
    ...signer,
    commands: v.pipe(v.array(v.picklist(names)), v.minLength(1, "expected at least one command")),
  });
}

/** The same, for who knows none of the commands but its own. */
export const anyCommandKeySchema = v.strictObject({ ...signer, commands: v.array(v.string()) });
