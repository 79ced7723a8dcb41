/** What a controller's support bundle has in it. */
import type { BundleKind } from "../../ops/bundle/bundle.ts";

const readme = `A support bundle of a qkd-controller. It holds no private key and no password.
Checksums: sha256sum -c SHA256SUMS

manifest.json              what is in it, and of which controller
versions.json              software, and the machine
status.json                the controller's answers; {"unavailable": …} if it
links.json, alarms.json    did not run, or had not opened its store yet
changes.json               what changed in the network, when and why
accounting.json            who used how much, by period
events.json                what happened since it started
metrics.json               what /metrics would tell
certificates.json          whose, from which CA, until when
running-configuration.json what it runs with
configuration.toml         what its file says; both without what may be a secret
doctor.txt, doctor.json    what the doctor found
log.txt, journal.txt       its log, from its memory and from the journal
state-files.json           files of its state: names, sizes, times
`;

export const controllerBundle: BundleKind = {
  subject: "controller",
  questions: [
    ["status.json", "status", {}],
    ["links.json", "links", {}],
    ["alarms.json", "alarms", {}],
    ["changes.json", "changes", { n: 1_000 }],
    ["accounting.json", "accounting", {}],
    ["events.json", "events", { n: 1_024 }],
    ["certificates.json", "certs", {}],
    ["running-configuration.json", "config", {}],
    ["metrics.json", "metrics", {}],
  ],
  readme,
};
