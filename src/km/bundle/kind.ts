/** What a key manager's support bundle has in it. */
import type { BundleKind, Questions } from "../../ops/bundle/bundle.ts";
import type { ModuleConfig } from "../config/tables.ts";

/** Records so far back, ms. */
const recordsOf = 600_000;

const questions: Questions = [
  ["status.json", "status", {}],
  ["links.json", "links", {}],
  ["alarms.json", "alarms", {}],
  ["events.json", "events", { n: 1_024 }],
  ["certificates.json", "certs", {}],
  ["running-configuration.json", "config", {}],
  ["metrics.json", "metrics", {}],
];

const readme = `A support bundle of a qkd-km. It holds no key, no private key, no PIN and no
password. Checksums: sha256sum -c SHA256SUMS

manifest.json              what is in it, and of which key manager
versions.json              software, and the machine
status.json                the key manager's answers; {"unavailable": …} if it
links.json, alarms.json    did not run, or had not opened its store yet
events.json                what happened since it started
metrics.json               what /metrics would tell
records/MODULE.json        QKD-keys of the last ten minutes, and what each
                           became: IDs, times and fates
certificates.json          whose, from which CA, until when
running-configuration.json what it runs with
configuration.toml         what its file says; both without what may be a secret
telemetry/LINK-hour.csv    stock and rates of the last hour, and of the last day
doctor.txt, doctor.json    what the doctor found
log.txt, journal.txt       its log, from its memory and from the journal
state-files.json           files of its state: names, sizes, times
`;

/** @param config undefined: it cannot be read @param wall ms since 1970 UTC */
export function kmBundle(
  config: { readonly modules: readonly ModuleConfig[] } | undefined,
  wall: number,
): BundleKind {
  const records = (config?.modules ?? []).map(
    ({ name }) =>
      [`records/${name}.json`, "keys", { module: name, from: wall - recordsOf, to: wall }] as const,
  );
  return { subject: "km", questions: [...questions, ...records], readme };
}
