/** Tables of the network: nodes, links, pairs, classes of service, applications. */
import * as v from "valibot";
import { name } from "../../host/config/name.ts";
import { id, timeOfDay, whole, within } from "../../host/config/values.ts";

const rate = whole(1, 1_000_000_000_000);
const service = v.picklist(["in_service", "out_of_service", "standby", "reserved"]);
const most = <const T extends v.GenericSchema>(of: T, count: number, what: string) =>
  v.pipe(v.array(of), v.maxLength(count, `expected at most ${count} ${what}`));

const dayNames = ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"];
const day = v.pipe(
  v.picklist(dayNames),
  v.transform((one) => dayNames.indexOf(one)),
);

/** A stretch of the week, UTC (IMDA RS QKDN §7.3: "from 9 to 21 h"). */
export const hoursSchema = v.strictObject({
  from: timeOfDay,
  until: timeOfDay,
  days: v.optional(most(day, 7, "days")),
});

export const ratedHoursSchema = v.strictObject({ ...hoursSchema.entries, rate_bits_per_s: rate });

/** A key manager, and what is around it. */
export const nodeSchema = v.strictObject({
  km: v.optional(id),
  names: v.optional(most(id, 16, "names")),
  site: v.optional(v.string(), ""),
  x: v.optional(within(0, 1)),
  y: v.optional(within(0, 1)),
  service: v.optional(service),
  applications: v.optional(most(id, 1_024, "applications"), []),
  controllers: v.optional(most(id, 64, "node controllers"), []),
});

export const rationSchema = v.strictObject({
  rate_bits_per_s: rate,
  classes: v.optional(most(name, 64, "classes")),
});

/** A QKD link between two nodes. */
export const linkSchema = v.strictObject({
  between: v.tuple([name, name], "expected the names of two nodes"),
  length_km: v.optional(within(0, 100_000)),
  service: v.optional(service),
  standby_for: v.optional(most(name, 16, "links"), []),
  expected_rate_bits_per_s: v.optional(rate),
  modules: v.optional(most(id, 64, "modules"), []),
  ration: v.optional(rationSchema),
});

/** Two nodes between which keys are relayed. */
export const pairSchema = v.strictObject({
  between: v.tuple([name, name], "expected the names of two nodes"),
  class: v.optional(name),
  demand_bits_per_s: v.optional(rate),
  routes: v.optional(most(most(name, 62, "nodes"), 16, "routes"), []),
  scheme: v.optional(v.picklist(["case-1", "case-2"]), "case-2"),
  fill: v.optional(v.picklist(["manual", "fixed_rate", "adaptive", "scheduled"])),
  rate_bits_per_s: v.optional(rate),
  low_bits: v.optional(whole(0, 10_000_000_000), 2_097_152),
  high_bits: v.optional(whole(512, 10_000_000_000)),
  batch_bits: v.optional(whole(512, 10_000_000_000)),
  hours: v.optional(most(ratedHoursSchema, 64, "stretches"), []),
});

/** A class of service (IMDA RS QKDN §7.3). */
export const classSchema = v.strictObject({
  weight: v.optional(within(0.001, 1_000), 1),
  guaranteed_bits_per_s: v.optional(whole(0, 1_000_000_000_000), 0),
  priority: v.optional(whole(0, 100), 0),
  most_bits_per_s: v.optional(rate),
  hours: v.optional(most(hoursSchema, 64, "stretches"), []),
  only_in_hours: v.optional(v.boolean(), false),
  reserved: v.optional(v.boolean(), false),
});

/** An application that may ask for sessions and relays (IMDA RS QKDN §7.4). */
export const applicationSchema = v.strictObject({
  id: v.optional(id),
  node: v.optional(name),
  class: v.optional(name),
  sessions: v.optional(whole(1, 1_000_000)),
  with: v.optional(most(id, 1_024, "applications")),
});

type Tables<T extends v.GenericSchema> = Readonly<Record<string, v.InferOutput<T>>>;

export interface NetworkTables {
  readonly node: Tables<typeof nodeSchema>;
  readonly link: Tables<typeof linkSchema>;
  readonly pair: Tables<typeof pairSchema>;
  readonly class: Tables<typeof classSchema>;
  readonly application: Tables<typeof applicationSchema>;
}
