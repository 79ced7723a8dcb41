/** Applications of the configuration: tables `[sae.NAME]`. */
import type { Application } from "../applications/table.ts";
import type { RawConfig } from "./schema.ts";

/** @param me ID of this KM */
export function applicationsOf(tables: RawConfig["sae"], me: string): Application[] {
  const ids = new Map(Object.entries(tables).map(([name, { id = name }]) => [name, id]));
  return Object.entries(tables).map(([name, table]) => {
    const { id = name, km = me, names = [id], with: partners, keys_per_second, burst_keys } = table;
    return {
      id,
      km,
      names,
      // A name of this file, or an SAE ID.
      partners: partners.map((one) => ids.get(one) ?? one),
      rate: { keysPerS: keys_per_second, burst: burst_keys },
    };
  });
}

/** What is wrong with them together. */
export function checkApplications(
  { km, etsi014 }: Pick<RawConfig, "km" | "etsi014">,
  applications: readonly Application[],
  links: readonly { readonly peer: string }[],
  complain: (key: string, what: string) => void,
): void {
  const ids = new Set<string>();
  const owners = new Map<string, string>();
  const peers = new Set(links.map(({ peer }) => peer));
  for (const { id, km: at, names, partners } of applications) {
    const key = `sae.${id}`;
    if (ids.has(id)) complain(`${key}.id`, "two applications have it");
    ids.add(id);
    if (at !== km.id && !peers.has(at)) complain(`${key}.km`, "no link leads to this KM");
    if (partners.includes(id)) complain(`${key}.with`, "is the application itself");
    if (at !== km.id) continue;
    for (const name of names) {
      const other = owners.get(name);
      if (other !== undefined) complain(`${key}.names`, `${other} has the name ${name}, too`);
      owners.set(name, id);
    }
  }
  for (const { id, partners } of applications) {
    const missing = partners.find((one) => !applications.some((other) => other.id === one));
    if (missing !== undefined) complain(`sae.${id}.with`, `no such application: ${missing}`);
  }
  if (etsi014 === undefined) return;
  const { min_key_bits, key_bits, max_key_bits } = etsi014;
  if (key_bits < min_key_bits || key_bits > max_key_bits) {
    complain("etsi014.key_bits", "expected from min_key_bits to max_key_bits");
  }
}
