/** What a node's support bundle has in it. */
import type { BundleKind, Questions } from "../../ops/bundle/bundle.ts";

/** What the node is asked, by member. */
const questions: Questions = [
  ["status.json", "status", {}],
  ["keys.json", "keys", {}],
  ["kept.json", "kept", {}],
  ["links.json", "links", {}],
  ["telemetry.json", "telemetry", {}],
  ["alarms.json", "alarms", {}],
  ["alarm-history.json", "events", { alarms: true, n: 1_024 }],
  ["events.json", "events", { n: 1_024 }],
  ["certificates.json", "certs", {}],
  ["running-configuration.json", "config", {}],
];

const readme = `A support bundle of a qkd-node. It holds no key, no private key and no password.
Checksums: sha256sum -c SHA256SUMS

manifest.json              what is in it, and of which node
versions.json              software, and the machine
status.json, keys.json     the node's answers; {"unavailable": …} if it did not run
kept.json                  what is kept back from the KMs, and why
links.json, telemetry.json
alarms.json                what is raised; alarm-history.json: what came and went
events.json                what happened since the node started
certificates.json          whose, from which CA, until when
running-configuration.json what the node runs with
configuration.toml         what its file says; both without what may be a secret
telemetry/MODULE-hour.csv  figures of the last hour, and of the last day
doctor.txt, doctor.json    what the doctor found
log.txt, journal.txt       the node's log, from its memory and from the journal
state-files.json           files of the node's state: names, sizes, times
`;

export const nodeBundle: BundleKind = { subject: "node", questions, readme };
