/** What the key manager tells of itself, gathered from its parts. */
import { softwareVersion } from "../../base/version.ts";
import { residentBytes } from "../../host/life/memory.ts";
import type { PairCounts } from "../applications/counts.ts";
import type { KmTable, ModuleConfig } from "../config/tables.ts";
import type { RelayStatus } from "../model/relay-status.ts";
import type {
  ControllerStatus,
  KmStatus,
  LinkModule,
  MasterKeyStatus,
  PairStatus,
  ToldStatus,
} from "../model/status.ts";
import { nodeAlarms } from "../nodes/alarms.ts";
import type { Fullness, StoreUse } from "../store/port.ts";
import { setOf } from "../store/sae-set.ts";
import type { KeyDelivery } from "./applications.ts";
import type { Supplies } from "./intake.ts";
import type { LeftOver } from "./left-over.ts";
import type { LinkOfKm } from "./links.ts";

interface ModulesOf {
  readonly modules: readonly ModuleConfig[];
}

/** The store at this moment. */
interface StoreState {
  readonly use: StoreUse;
  readonly full: Fullness;
  readonly leftOver: LeftOver;
  /** How long the disk has not answered, ms. */
  readonly stalledMs: number;
}

export function kmStatus(
  config: { readonly km: KmTable } & ModulesOf,
  { intake, told, connections }: Supplies,
  links: readonly LinkOfKm[],
  store: StoreState,
  masterKey: MasterKeyStatus,
  uptimeMs: number,
  alarms: KmStatus["alarms"],
  delivery?: Pick<KeyDelivery, "keys" | "proactive">,
  relay?: RelayStatus,
  controllers?: readonly ControllerStatus[],
): KmStatus {
  const { use, leftOver } = store;
  const stalled = Math.floor(store.stalledMs / 1_000);
  const words = told.all();
  return {
    km_id: config.km.id,
    version: softwareVersion,
    uptime_s: Math.floor(uptimeMs / 1_000),
    pid: process.pid,
    rss_bytes: residentBytes(),
    store: {
      buffered_keys: use.bufferedKeys,
      buffered_bits: use.bufferedBytes * 8,
      stock_bits: links.reduce((sum, { stockBits }) => sum + stockBits[0] + stockBits[1], 0),
      disk_bytes: use.diskBytes,
      limit_bytes: use.limitBytes,
      full: store.full !== undefined,
      ...(stalled > 0 && { stalled_s: stalled }),
      left_over_keys: leftOver.buffer.keys,
      left_over_stock_bits: leftOver.stockBytes * 8,
      master_key: masterKey,
    },
    nodes_connected: connections,
    refused: intake.refused,
    kq2: told.counts,
    links: links.map((link) => ({ ...link.status(), modules: modulesOf(link, config, words) })),
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
        ...(words.has(name) && { told: words.get(name) as ToldStatus }),
      };
    }),
    ...(delivery !== undefined && {
      applications: pairsOf(delivery.keys.counts),
      proactive: delivery.proactive.status(),
    }),
    ...(relay !== undefined && { relay }),
    ...(controllers !== undefined && { controllers }),
    alarms,
    node_alarms: nodeAlarms(words),
  };
}

function pairsOf(counts: ReadonlyMap<string, Readonly<PairCounts>>): PairStatus[] {
  const pairs = Array.from(counts, ([use, { peer, requests, keys, bits, refused }]) => {
    const [master = "", ...slaves] = setOf(use) ?? [];
    return { master, slave: slaves.join(", "), peer, requests, keys, bits, refused };
  });
  return pairs.sort((a, b) => (`${a.master}\0${a.slave}` < `${b.master}\0${b.slave}` ? -1 : 1));
}

/** How the modules under a link are, as far as that is known now. */
function modulesOf(
  { name }: Pick<LinkOfKm, "name">,
  config: ModulesOf,
  words: ReadonlyMap<string, ToldStatus>,
): LinkModule[] {
  const own = config.modules.filter(({ link }) => link === name);
  return own.map((module) => {
    const told = words.get(module.name);
    if (told === undefined || !told.current) return { name: module.name, link: "UNKNOWN" };
    const { qber, secret_key_rate: rate } = told.figures;
    return {
      name: module.name,
      link: told.link,
      ...(typeof qber === "number" && { qber }),
      ...(typeof rate === "number" && { secret_key_rate: rate }),
    };
  });
}
