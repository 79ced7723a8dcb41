/** What is told of keys that were relayed under pads which could be known to others. Pure. */
import { counted } from "../../base/words.ts";
import { wrap } from "../../host/terminal/table.ts";
import { bytes } from "../../host/terminal/units.ts";
import { isMatchUse } from "../matching/match-use.ts";
import type { AffectedRelays, AffectedUse, GivenUp, GivenUpOfLink } from "../records/tellings.ts";
import { isRelayUse } from "../relay/ports.ts";

const width = 80;
/** Offered, supplied, bound, taken: void and what was not fetched in time was had by no application. */
const used = new Set(["O", "S", "B", "T"]);

/** Keys that applications have, or may have. Those that are prepared for none yet are given up with the rest. */
export function ofApplications(uses: readonly AffectedUse[]): readonly AffectedUse[] {
  return uses.filter(
    ({ state, applications }) =>
      applications !== undefined &&
      used.has(state) &&
      !isRelayUse(applications) &&
      !isMatchUse(applications),
  );
}

/** What relays brought, and where, before anything is done. */
export function relayedLines(relayed: AffectedRelays | undefined): string[] {
  if (relayed === undefined) return [];
  const { relays, links } = relayed;
  const told = links.map(({ link, bits, matched_keys, waiting_keys, ...more }) => {
    const keys = counted(matched_keys + waiting_keys, "key");
    const free = `${bytes(more.free_bits / 8)} of their extents still free`;
    const its = `link ${link}: ${keys} of them (${bytes(bits / 8)}), ${counted(ofApplications(more.ksa_keys).length, "KSA-key")} used, ${free}`;
    const { length } = more.without_record;
    if (length === 0) return its;
    return `${its}; ${counted(length, "extent")} without a record, which could have some: give the order for this link, too, if that is not to be`;
  });
  const all = [`${counted(relays, "relay")} had pads of these keys`, ...told, ...restOf(relayed)];
  return ["", ...all.flatMap((text) => wrap(text, width))];
}

/** Keys that are not at this key manager, or of which it does not know. */
function restOf({ elsewhere, unknown }: AffectedRelays): string[] {
  const told = elsewhere.map(
    ({ kms: [source, destination], relays }) =>
      `${source} and ${destination} have the keys of ${counted(relays, "relay")} that this key manager passed on: give the order at one of both, for its link with the other, from the same time on`,
  );
  const where = "of them no end is on record here: ask at the KMs that begin relays";
  return unknown === 0 ? told : [...told, `${counted(unknown, "relay")} ${where}`];
}

/** What was done about it, and what is left to do. */
export function relayedDone({ affected, relayed = [] }: GivenUp): string[] {
  const told = relayed.map(ofLink);
  const rest = affected.relayed === undefined ? [] : restOf(affected.relayed);
  return [...told, ...rest].flatMap((text) => wrap(text, width));
}

function ofLink({ link, void_bits, void_extents, dropped_keys, link_up }: GivenUpOfLink): string {
  const where = link_up ? "both ends" : "this end, and at the other as soon as the link is up";
  const dropped = dropped_keys === 0 ? "" : `; dropped: ${counted(dropped_keys, "waiting key")}`;
  return `relayed under its pads, link ${link}: ${bytes(void_bits / 8)} of ${counted(void_extents, "extent")} void at ${where}${dropped}`;
}

/** What an order does not touch: applications have it. */
export function usedLines({ affected }: GivenUp): string[] {
  const { ksa_keys, relayed } = affected;
  const own = ofApplications(ksa_keys).length;
  const by = (relayed?.links ?? []).reduce(
    (sum, { ksa_keys: uses }) => sum + ofApplications(uses).length,
    0,
  );
  const relays = relayed?.relays ?? 0;
  const ofRelays =
    relays === 0
      ? ""
      : `, and ${counted(by, "KSA-key")} of what ${counted(relays, "relay")} brought under its pads`;
  const text = `used, and not taken back: ${counted(own, "KSA-key")} of the link${ofRelays}`;
  const hint = own + by === 0 ? "" : ": tell their applications (compromise without --delete)";
  return wrap(text + hint, width);
}
