import * as v from "valibot";
import { name } from "../../host/config/name.ts";
import { commandNames } from "./commands.ts";
import { isPublicKey } from "./jws.ts";

/** Who may give which commands. */
export const commandKeySchema = v.strictObject({
  id: name,
  public_key: v.pipe(
    v.string(),
    v.check(isPublicKey, "expected an Ed25519 public key: 32 bytes in base64url"),
  ),
  commands: v.pipe(
    v.array(v.picklist(commandNames)),
    v.minLength(1, "expected at least one command"),
  ),
});
