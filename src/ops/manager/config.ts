/** The table `[manager]` of a program's configuration: its shape, and what its parts have to do with each other. */
import * as v from "valibot";
import { fileName, judged, seconds, text } from "../../host/config/values.ts";
import { brokerProblem } from "../../host/net/host.ts";
import { commandKeySchema } from "../commands/key-schema.ts";

/** A broker ends a connection in whose texts there are some (MQTT 5 §1.5.4). */
const noControls = v.check((one: string) => !/\p{Cc}/u.test(one), "expected no control characters");

/** @param commands names of the program's commands */
export function managerEntries<Name extends string>(commands: readonly Name[]) {
  return {
    // No credentials in it: the address is logged.
    url: judged(brokerProblem),
    base: v.optional(
      v.pipe(
        v.string(),
        v.regex(/^[^/+#\s]+(\/[^/+#\s]+){0,2}$/, "expected 1 to 3 topic levels without + and #"),
        v.check((base) => !base.startsWith("$"), "expected topic levels that begin without $"),
        noControls,
      ),
      "qkdn/v1",
    ),
    protocol: v.optional(v.picklist([5, 4]), 5),
    username: v.optional(v.pipe(text, noControls)),
    password_file: v.optional(fileName),
    ca: v.optional(fileName),
    cert: v.optional(fileName),
    key: v.optional(fileName),
    crl: v.optional(fileName),
    crl_fresh: v.optional(v.boolean(), false),
    require_pq: v.optional(v.boolean(), false),
    telemetry_interval_s: seconds(0.1, 3_600, 5),
    command_key: v.optional(
      v.pipe(v.array(commandKeySchema(commands)), v.maxLength(16, "expected at most 16")),
      [],
    ),
  };
}

/** Files that the table names. */
export const managerFiles = ["ca", "cert", "key", "crl", "password_file"] as const;

interface ManagerTable {
  readonly url: string;
  readonly username?: string | undefined;
  readonly password_file?: string | undefined;
  readonly ca?: string | undefined;
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
  readonly crl?: string | undefined;
  readonly crl_fresh: boolean;
  readonly require_pq: boolean;
  readonly command_key: readonly { readonly id: string }[];
}

/** What is good by itself, and no good together. @param complain told the key and what is wrong */
export function checkManager(
  manager: ManagerTable,
  complain: (key: string, what: string) => void,
): void {
  if ((manager.cert === undefined) !== (manager.key === undefined)) {
    complain("manager", "cert and key go together");
  }
  if (manager.crl !== undefined && manager.ca === undefined) {
    complain("manager.crl", "needs ca: whose lists they are");
  }
  if (manager.crl_fresh && manager.crl === undefined) {
    complain("manager.crl_fresh", "needs crl: there is no list that could run out");
  }
  if (manager.password_file !== undefined && manager.username === undefined) {
    complain("manager.password_file", "needs username");
  }
  if (manager.url.startsWith("mqtt://")) {
    for (const key of ["ca", "cert", "key", "crl"] as const) {
      if (manager[key] === undefined) continue;
      complain(`manager.${key}`, "has no use without TLS: url begins with mqtt://, not mqtts://");
    }
    if (manager.require_pq) {
      complain(
        "manager.require_pq",
        "has no use without TLS: url begins with mqtt://, not mqtts://",
      );
    }
  }
  const ids = manager.command_key.map(({ id }) => id);
  ids.forEach((id, i) => {
    if (ids.indexOf(id) !== i) complain(`manager.command_key[${i}].id`, "another key has this id");
  });
}
