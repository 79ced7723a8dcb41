/** What things are called in a configuration. */
import * as v from "valibot";
import { isReserved } from "./problems.ts";

/** A name that is one level of an MQTT topic and part of a file name. */
export const name = v.pipe(
  v.string(),
  v.regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, "expected 1 to 64 characters of A-Z a-z 0-9 . _ -"),
  v.check(
    (text) => !isReserved(text),
    "expected another name: this one has a meaning in JavaScript",
  ),
);
