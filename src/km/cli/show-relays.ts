/** What a key manager relays, for people, in 80 columns. Pure. */
import { table, wrap } from "../../host/terminal/table.ts";
import { bytes, whole } from "../../host/terminal/units.ts";
import type { PassedRelays, RelayPairStatus, RelayStatus } from "../model/relay-status.ts";
import type { KmStatus } from "../model/status.ts";

const width = 80;

const key = (bits: number) => bytes(bits / 8);

/** Nothing where nothing is relayed. */
export function relayLines({ relay }: Pick<KmStatus, "relay">): string[] {
  if (relay === undefined) return [];
  const { pairs } = relay;
  const told = [...servicesText(relay), othersText(relay) ?? []].flat();
  const others = told.flatMap((text) => wrap(text, width));
  if (pairs.length === 0) return others.length === 0 ? [] : ["", ...others];
  const columns = [
    { title: "RELAYED TO" },
    { title: "SCHEME" },
    { title: "STOCK", right: true },
    { title: "RELAYED", right: true },
    { title: "PADS OF ALL HOPS", right: true },
    { title: "FAILED", right: true },
  ];
  const rows = pairs.flatMap(({ link, methods, failed }) => {
    if (methods.length === 0) return [[link, "–", "–", "–", "–", whole(failed)]];
    return methods.map(({ scheme, stock_bits, bits, pad_bits }, i) => {
      const failures = i === 0 ? whole(failed) : "";
      return [link, scheme, key(stock_bits), key(bits), key(pad_bits), failures];
    });
  });
  return ["", ...table(columns, rows, width), ...pairs.flatMap(lastFailure), ...others];
}

function servicesText({ services = [] }: RelayStatus): string[] {
  return services.map(({ link, service }) => {
    const what = service.replaceAll("_", " ");
    const lends =
      service === "reserved"
        ? "its pads are for relays by routes that a controller gave"
        : "it lends no pads to relays";
    return `link ${link} is ${what} by order of a controller: ${lends}`;
  });
}

function lastFailure({ link, last_failure: last }: RelayPairStatus): string[] {
  if (last === undefined) return [];
  const way = last.route.length === 0 ? "no route" : last.route.join(", ");
  return wrap(
    `${link}: failed last at ${last.at} (${last.failure}), by ${way}, ${last.time}`,
    width,
  );
}

function othersText({ passed, collected, taken }: RelayStatus): string | undefined {
  const parts = [
    ["passed on", passed],
    ["collected", collected],
    ["taken", taken],
  ] as const;
  const told = parts.filter(([, { relays, failed }]) => relays + failed > 0).map(doneText);
  return told.length === 0 ? undefined : `for others: ${told.join("; ")}`;
}

function doneText([did, { relays, failed, bits }]: readonly [string, PassedRelays]): string {
  const failures = failed === 0 ? "" : `, ${whole(failed)} failed`;
  return `${did} ${whole(relays)} (${key(bits)})${failures}`;
}

/** What was ordered. */
export function orderedText(link: string, bits: number): string {
  return `ordered: ${key(bits)} more for the link ${link}; qkd-km status shows what came\n`;
}
