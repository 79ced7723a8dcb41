/** The keys of `[module.driver]` with `kind = "etsi014"`. Pure. */
import * as v from "valibot";
import { peer as certified, id, judged, listener } from "../../src/host/config/values.ts";
import { peerProblem } from "../../src/host/net/host.ts";
import { type FigureName, figures } from "../../src/port/telemetry.ts";
import { type DialectName, dialectNames } from "./dialects.ts";
import { type Places, unitsOf } from "./figures.ts";
import { mostBits, mostKeys } from "./messages.ts";

const absolute = v.pipe(v.string(), v.startsWith("/", "expected an absolute path"));
const url = v.pipe(v.string(), judged(urlProblem));
/** SAE IDs are a part of a path: as `.` or `..` they would lead to another. */
const sae = v.pipe(
  id,
  v.check((text) => !/^\.{1,2}$/.test(text), "expected an SAE ID, not . or .."),
);
const standardPath = /\/api\/v\d+\/keys\/?$/;
const whole = (least: number, most: number) =>
  v.pipe(v.number(), v.integer(), v.minValue(least), v.maxValue(most));
const seconds = (least: number, most: number) =>
  v.pipe(v.number(), v.minValue(least), v.maxValue(most));

const files = {
  ca: absolute,
  cert: absolute,
  key: absolute,
  crl: v.optional(absolute),
} as const;

const place = v.strictObject({ from: v.pipe(v.string(), v.minLength(1)), unit: v.string() });

/** Figures with one value. */
const single = (Object.keys(figures) as FigureName[]).filter((one) => !("list" in figures[one]));

const map = v.pipe(
  v.record(v.string(), place),
  v.check(
    (chosen) => Object.keys(chosen).every((one) => (single as string[]).includes(one)),
    `expected figures of: ${single.join(", ")}`,
  ),
  v.check(
    (chosen) =>
      Object.entries(chosen).every(([one, { unit }]) => {
        return !(one in figures) || unitsOf(one as FigureName).includes(unit);
      }),
    "expected a unit that the figure has (drivers/etsi014/README.md)",
  ),
  v.transform((chosen) => chosen as Places),
);

const tables = v.strictObject({
  lead: v.boolean(),
  module_id: id,
  matching_module_id: id,
  role: v.picklist(["alice", "bob"]),
  kme: v.strictObject({
    url: v.pipe(
      url,
      v.check((text) => !standardPath.test(text), "expected what comes before /api/v1/keys"),
    ),
    server_name: v.optional(certified),
    own_sae: sae,
    partner_sae: sae,
    ...files,
    dialect: v.optional(v.picklist(dialectNames as DialectName[]), "standard"),
    key_bits: v.optional(v.pipe(whole(8, mostBits), v.multipleOf(8, "expected a multiple of 8"))),
    batch: v.optional(whole(1, mostKeys), 128),
    status_s: v.optional(seconds(0.1, 3_600), 1),
    timeout_s: v.optional(seconds(0.1, 600), 10),
    patience_s: v.optional(seconds(0, 3_600), 10),
  }),
  peer: v.strictObject({
    host: listener,
    port: whole(1, 65_535),
    name: certified,
    ...files,
  }),
  figures: v.optional(
    v.strictObject({
      url,
      server_name: v.optional(certified),
      format: v.picklist(["prometheus", "json"]),
      every_s: v.optional(seconds(1, 3_600), 10),
      ...files,
      map,
    }),
  ),
  lost_limit: v.optional(v.pipe(v.number(), v.minValue(0), v.maxValue(1)), 0.01),
  slow_s: v.optional(seconds(0.01, 600), 2),
  empty_s: v.optional(seconds(0, 86_400), 60),
});

/** What one table says must fit the others. */
export const options = v.pipe(
  tables,
  v.forward(
    v.check(
      ({ module_id, matching_module_id }) => module_id !== matching_module_id,
      "expected the module at the other end, not this one",
    ),
    ["matching_module_id"],
  ),
  v.forward(
    v.check(
      ({ kme }) => kme.own_sae !== kme.partner_sae,
      "expected the SAE ID of the other end, not this one's",
    ),
    ["kme", "partner_sae"],
  ),
  v.forward(
    v.rawCheck(({ dataset, addIssue }) => {
      if (!dataset.typed || !dataset.value.lead) return;
      const message = peerProblem(dataset.value.peer.host);
      if (message !== undefined) addIssue({ message });
    }),
    ["peer", "host"],
  ),
);

export type Options = v.InferOutput<typeof options>;

/** Why nothing could be asked there. @returns undefined if it could; else begins with "expected" */
function urlProblem(text: string): string | undefined {
  const expected = "expected https://HOST[:PORT][/PATH]";
  if (!URL.canParse(text)) return expected;
  const { protocol, hostname, port, username, search, hash } = new URL(text);
  if (protocol !== "https:" || hostname === "" || username + search + hash !== "") return expected;
  if (port === "0") return `${expected}, PORT from 1 to 65535`;
  return peerProblem(hostOf(text))?.replace(/^expected/, `${expected}: HOST is`);
}

/** The name that a server's certificate must carry, where none is configured. */
export function hostOf(text: string): string {
  // An address of IPv6 has brackets in a URL alone.
  return new URL(text).hostname.replace(/^\[|\]$/g, "");
}
