/** Applications of the configuration: tables `[sae.NAME]`. */
import { dirname, resolve } from "node:path";
import { nameKey } from "../../host/tls/names.ts";
import type { Application } from "../applications/table.ts";
import type { RawConfig } from "./schema.ts";

/**
 * @param me ID of this KM
 * @param file of the configuration, to which names of files are relative
 */
export function applicationsOf(tables: RawConfig["sae"], me: string, file: string): Application[] {
  const ids = new Map(Object.entries(tables).map(([name, { id = name }]) => [name, id]));
  return Object.entries(tables).map(([name, table]) => {
    const { id = name, km = me, names = [id], with: partners, keys_per_second, burst_keys } = table;
    const { sessions } = table;
    const { outstanding_keys: outstandingKeys, outstanding_bits: outstandingBits } = table;
    const { system_id: systemId, skip_identity: identity, skip_psk_file: pskFile } = table;
    return {
      id,
      km,
      names,
      // A name of this file, or an SAE ID.
      partners: partners.map((one) => ids.get(one) ?? one),
      rate: { keysPerS: keys_per_second, burst: burst_keys },
      outstandingKeys,
      ...(sessions && { sessions }),
      ...(outstandingBits !== undefined && { outstandingBits }),
      ...(systemId !== undefined && { systemId }),
      ...(identity !== undefined &&
        pskFile !== undefined && {
          skip: { identity, pskFile: resolve(dirname(file), pskFile) },
        }),
    };
  });
}

/** What is wrong with them together. */
export function checkApplications(
  { km, etsi014, skip, sae }: Pick<RawConfig, "km" | "etsi014" | "skip" | "sae">,
  applications: readonly Application[],
  links: readonly { readonly peer: string }[],
  complain: (key: string, what: string) => void,
): void {
  for (const [name, { skip_identity, skip_psk_file }] of Object.entries(sae)) {
    if ((skip_identity === undefined) !== (skip_psk_file === undefined)) {
      complain(`sae.${name}`, "skip_identity and skip_psk_file go together");
    }
  }
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
      const other = owners.get(nameKey(name));
      if (other !== undefined && other !== id)
        complain(`${key}.names`, `${other} has the name ${name}, too`);
      owners.set(nameKey(name), id);
    }
  }
  for (const { id, partners } of applications) {
    const missing = partners.find((one) => !applications.some((other) => other.id === one));
    if (missing !== undefined) complain(`sae.${id}.with`, `no such application: ${missing}`);
  }
  checkSkip(applications, km.id, complain);
  if (skip !== undefined && etsi014 === undefined) {
    complain("skip", "[etsi014] is missing: its limits are those of SKIP, too");
  }
  if (etsi014 === undefined) return;
  const { min_key_bits, key_bits, max_key_bits } = etsi014;
  if (key_bits < min_key_bits || key_bits > max_key_bits) {
    complain("etsi014.key_bits", "expected from min_key_bits to max_key_bits");
  }
}

/** Encryptors tell each other by system IDs, and the KM tells them by identities: each of one application. */
function checkSkip(
  applications: readonly Application[],
  me: string,
  complain: (key: string, what: string) => void,
): void {
  const systems = new Map<string, string>();
  const identities = new Map<string, string>();
  for (const { id, km, systemId = id, skip } of applications) {
    const other = systems.get(systemId);
    if (other !== undefined) complain(`sae.${id}.system_id`, `${other} has it, too`);
    systems.set(systemId, id);
    if (km !== me || skip === undefined) continue;
    const same = identities.get(skip.identity);
    if (same !== undefined) complain(`sae.${id}.skip_identity`, `${same} has it, too`);
    identities.set(skip.identity, id);
  }
}
