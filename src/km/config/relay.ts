/** Relays of the configuration: tables `[link.NAME.relay]` and `[relay]`. */
import * as v from "valibot";
import { absolute, id, seconds, timeOfDay, whole } from "../../host/config/values.ts";
import { routings } from "../../wire/ck/state.ts";
import { limits } from "../../wire/kx/names.ts";
import type { PairPolicy } from "../relay/pair-parts.ts";
import type { PoolPolicy, RelayHours } from "../relay/pool.ts";

const bits = (least: number, most: number) =>
  v.pipe(whole(least, most), v.multipleOf(8, "expected a multiple of 8"));

export const relayHoursSchema = v.strictObject({
  from: timeOfDay,
  until: timeOfDay,
  rate_bits_per_s: whole(1, 10_000_000_000),
});

/** How keys come to a link without modules. */
export const pairSchema = v.strictObject({
  routes: v.optional(
    v.pipe(
      v.array(
        v.pipe(
          v.array(id),
          v.minLength(1, "expected the KMs between, at least one"),
          v.maxLength(30, "expected at most 30 KMs between"),
        ),
      ),
      v.maxLength(16, "expected at most 16 routes"),
    ),
    [],
  ),
  routing: v.optional(v.picklist(routings), "configuration"),
  scheme: v.optional(v.picklist(["case-1", "case-2", "destination", "centralized"]), "case-2"),
  collector: v.optional(id),
  aes: v.optional(v.boolean(), false),
  pool: v.optional(v.picklist(["adaptive", "fixed_rate", "scheduled", "manual"]), "adaptive"),
  low_bits: v.optional(whole(0, 10_000_000_000), 2_097_152),
  high_bits: v.optional(whole(512, 10_000_000_000), 16_777_216),
  rate_bits_per_s: v.optional(whole(1, 10_000_000_000)),
  hours: v.optional(
    v.pipe(v.array(relayHoursSchema), v.maxLength(64, "expected at most 64 stretches")),
    [],
  ),
  batch_bits: v.optional(bits(512, 8 * limits.relayBytes), 262_144),
});

/** Relays of this KM, and those of others that it passes on. */
export const relaySchema = v.strictObject({
  within_s: seconds(0.1, 60, 3),
  transit: v.optional(v.array(v.tuple([id, id])), []),
  collects: v.optional(v.boolean(), false),
  next_hop: v.optional(v.boolean(), false),
  random_file: v.optional(absolute),
});

export type PairTable = v.InferOutput<typeof pairSchema>;
export type RelayTable = Omit<v.InferOutput<typeof relaySchema>, "within_s">;

interface LinkTable {
  readonly name: string;
  readonly peer: string;
  readonly relay?: PairTable | undefined;
}

/** What is wrong where routes are of a controller, and there is none. */
export function checkRouting(
  links: readonly LinkTable[],
  { next_hop }: { readonly next_hop: boolean },
  controllers: number,
  complain: (key: string, what: string) => void,
): void {
  if (controllers > 0) return;
  const why = "needs a [controller.NAME]";
  if (next_hop) complain("relay.next_hop", why);
  for (const { name, relay } of links) {
    if (relay !== undefined && relay.routing !== "configuration") {
      complain(`link.${name}.relay.routing`, why);
    }
  }
}

/** What is wrong with them together. */
export function checkRelays(
  me: string,
  links: readonly LinkTable[],
  modules: readonly { readonly link: string }[],
  complain: (key: string, what: string) => void,
): void {
  const peers = new Set(links.map(({ peer }) => peer));
  for (const { name, peer, relay } of links) {
    if (relay === undefined) continue;
    const key = `link.${name}.relay`;
    const { routes, scheme, collector, pool, low_bits, high_bits, rate_bits_per_s, hours } = relay;
    if (modules.some(({ link }) => link === name)) {
      complain(key, "modules bring the keys of this link: what is relayed goes over another");
    }
    for (const route of routes) {
      const all = [me, ...route, peer];
      if (new Set(all).size < all.length) {
        complain(`${key}.routes`, `a KM is twice on the way: ${all.join(", ")}`);
      }
      if (Buffer.byteLength(all.join("")) > limits.routeBytes) {
        complain(`${key}.routes`, `KM IDs of more than ${limits.routeBytes} bytes: ${route[0]}, …`);
      }
      const [first = ""] = route;
      if (!peers.has(first)) complain(`${key}.routes`, `no link leads to ${first}`);
      if (collector !== undefined && all.includes(collector)) {
        complain(`${key}.collector`, "is on the way: it would know the key");
      }
    }
    if (relay.routing === "next_hop" && (scheme === "destination" || scheme === "centralized")) {
      complain(`${key}.scheme`, `routing = "next_hop" goes with "case-1" and "case-2"`);
    }
    if ((scheme === "centralized") !== (collector !== undefined)) {
      complain(`${key}.collector`, `goes together with scheme = "centralized"`);
    }
    if (low_bits > high_bits) complain(`${key}.low_bits`, "expected no more than high_bits");
    if ((pool === "fixed_rate") !== (rate_bits_per_s !== undefined)) {
      complain(`${key}.rate_bits_per_s`, `goes together with pool = "fixed_rate"`);
    }
    if ((pool === "scheduled") !== hours.length > 0) {
      complain(`${key}.hours`, `goes together with pool = "scheduled"`);
    }
  }
}

function poolOf({ pool, low_bits, rate_bits_per_s = 0, hours }: PairTable): PoolPolicy {
  switch (pool) {
    case "manual":
      return { kind: "manual" };
    case "fixed_rate":
      return { kind: "fixed_rate", rate: rate_bits_per_s };
    case "adaptive":
      return { kind: "adaptive", low: low_bits };
    case "scheduled":
      return { kind: "scheduled", hours: hours.map(hoursOf) };
  }
}

function hoursOf({ from, until, rate_bits_per_s }: PairTable["hours"][number]): RelayHours {
  return { from, until, rate: rate_bits_per_s };
}

export function pairPolicyOf(table: PairTable): PairPolicy {
  const { routes, routing, scheme, collector, aes, high_bits, batch_bits } = table;
  const batch = batch_bits / 8;
  return { routes, routing, scheme, collector, aes, pool: poolOf(table), high: high_bits, batch };
}

/** Whether a KM with this table passes on what goes between two. `*` stands for any KM. */
export function mayPass(
  { transit, collects }: RelayTable,
  source: string,
  destination: string,
  isCollector: boolean,
): boolean {
  if (isCollector && !collects) return false;
  const is = (one: string, km: string) => one === "*" || one === km;
  return transit.some(
    ([a, b]) => (is(a, source) && is(b, destination)) || (is(b, source) && is(a, destination)),
  );
}
