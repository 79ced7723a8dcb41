/** Like `maxLength` of valibot, by code points: as JSON Schema, other languages and the wire count. */
import * as v from "valibot";
import { isLonger } from "../../base/text-length.ts";

/** @param most characters (code points) */
export function mostCharacters(most: number, message = `expected at most ${most} characters`) {
  return v.check((text: string) => !isLonger(text, most), message);
}
