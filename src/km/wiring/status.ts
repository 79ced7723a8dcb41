/** What the key manager tells of itself, gathered from its parts. */
import { softwareVersion } from "../../base/version.ts";
import type { KmConfig } from "../config/load.ts";
import type { KmStatus, MasterKeyStatus } from "../model/status.ts";
import type { KeyStore } from "../store/port.ts";
import type { Supplies } from "./intake.ts";
import type { LinkOfKm } from "./links.ts";

export function kmStatus(
  config: KmConfig,
  { intake, connections }: Supplies,
  links: readonly LinkOfKm[],
  store: Pick<KeyStore, "use" | "full">,
  masterKey: MasterKeyStatus,
  uptimeMs: number,
  alarms: KmStatus["alarms"],
): KmStatus {
  const use = store.use();
  return {
    km_id: config.km.id,
    version: softwareVersion,
    uptime_s: Math.floor(uptimeMs / 1_000),
    store: {
      buffered_keys: use.bufferedKeys,
      buffered_bits: use.bufferedBytes * 8,
      stock_bits: use.extentBytes * 8,
      disk_bytes: use.diskBytes,
      limit_bytes: use.limitBytes,
      full: store.full() !== undefined,
      master_key: masterKey,
    },
    nodes_connected: connections,
    refused: intake.refused,
    links: links.map((link) => link.status()),
    modules: config.modules.map(({ name, module_id, matching_module_id, link }) => {
      const counts = intake.module(name)?.counts;
      return {
        name,
        module_id,
        matching_module_id,
        link,
        received_keys: counts?.keys ?? 0,
        received_bits: counts?.bits ?? 0,
        repeats: (counts?.repeats ?? 0) + (counts?.repeatsOfGone ?? 0),
        conflicts: counts?.conflicts ?? 0,
      };
    }),
    alarms,
  };
}
