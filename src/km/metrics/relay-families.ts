/** Metrics of relays (Y.3803 §8.2.3). Pure. */
import { type Family, one } from "../../ops/metrics/exposition.ts";
import type { MethodStatus, PassedRelays } from "../model/relay-status.ts";
import type { KmStatus } from "../model/status.ts";

export function relayFamilies({ relay }: Pick<KmStatus, "relay">): Family[] {
  if (relay === undefined) return [];
  const { pairs, passed, collected, taken } = relay;
  const methods = (value: (method: MethodStatus) => number) =>
    pairs.flatMap(({ link, methods: of }) =>
      of.map((method) => ({ labels: { link, scheme: method.scheme }, value: value(method) })),
    );
  const roles = (value: (passed: PassedRelays) => number) =>
    Object.entries({ transit: passed, collector: collected, destination: taken }).map(
      ([role, of]) => ({ labels: { role }, value: value(of) }),
    );
  return [
    {
      name: "qkd_km_relay_stock_bits",
      type: "gauge",
      unit: "bits",
      help: "Relayed key that may still be allocated, of both owners, by scheme.",
      samples: methods(({ stock_bits }) => stock_bits),
    },
    {
      name: "qkd_km_relayed_bits",
      type: "counter",
      unit: "bits",
      help: "Key that this KM relayed to another, since the start.",
      samples: methods(({ bits }) => bits),
    },
    {
      name: "qkd_km_relay_pad_bits",
      type: "counter",
      unit: "bits",
      help: "KMA-key that this cost, over all links of the routes.",
      samples: methods(({ pad_bits }) => pad_bits),
    },
    {
      name: "qkd_km_relay_failures",
      type: "counter",
      help: "Attempts to relay that failed, since the start.",
      samples: pairs.map(({ link, failed }) => ({ labels: { link }, value: failed })),
    },
    {
      name: "qkd_km_relay_passed_bits",
      type: "counter",
      unit: "bits",
      help: "Relayed key of others, by what this KM did with it, since the start.",
      samples: roles(({ bits }) => bits),
    },
    {
      name: "qkd_km_relay_passed_failures",
      type: "counter",
      help: "Relays of others that came to nothing, since the start.",
      samples: roles(({ failed }) => failed),
    },
    one("qkd_km_relays_under_way", "gauge", "Relays under way at this KM.", relay.under_way),
  ];
}
