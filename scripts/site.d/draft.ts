/** A first configuration of a machine with module, node, key manager, maybe controller: what most sites change little of. */
import { existsSync, mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { putFile } from "./put.ts";
import { Refusal } from "./refusal.ts";

/** TCP ports, as the drafts of all machines have them. */
export const ports = { kq1: 9443, kx: 9444, etsi014: 9445, ck: 8790 } as const;

/** A machine or program of the network, by its ID, and where this machine finds it. */
export interface Place {
  readonly id: string;
  readonly host: string;
}

export interface Draft {
  /** The module here, and the one at the other end. */
  readonly module: string;
  readonly matching: string;
  /** Where the module is attached. */
  readonly path: string;
  /** The machine at the other end: `qkd-0123456789ab`. */
  readonly peer: Place;
  /** Applications here and there, as their certificates name them. */
  readonly sae: string | undefined;
  readonly peerSae: string | undefined;
  /** The network's controller: `controller-0123456789ab`; this machine's own has its number. */
  readonly controller: Place | undefined;
  /** Where certificates are renewed, by EST. */
  readonly est: string | undefined;
}

const idForm = /^qkd-[0-9a-f]{12}$/;
const controllerForm = /^controller-[0-9a-f]{12}$/;

/** The machine whose request is on the stick. @throws Refusal */
export function machineOf(stick: string): string {
  const found = readdirSync(stick).filter((name) => /^qkd-[0-9a-f]{12}\.csr$/.test(name));
  if (found.length !== 1) {
    throw new Refusal(`${stick}: there are ${found.length} requests of nodes, expected one`);
  }
  return (found[0] as string).replace(".csr", "");
}

/**
 * Writes `site/node.toml`, `site/km.toml` and, for the machine that the controller is on, `site/controller.toml` where
 * they are not. @returns what was done @throws Refusal
 */
export function writeDraft(stick: string, draft: Draft): string {
  const id = machineOf(stick);
  if (!idForm.test(draft.peer.id)) throw new Refusal(`--peer: expected a machine's ID, qkd-…`);
  const { controller } = draft;
  if (controller !== undefined && !controllerForm.test(controller.id)) {
    throw new Refusal(`--controller: expected a controller's ID, controller-…`);
  }
  const site = join(stick, "site");
  mkdirSync(site, { recursive: true });
  const texts = {
    "node.toml": nodeToml(id, draft),
    "km.toml": kmToml(id, draft),
    ...(controller?.id === controllerOf(id) && { "controller.toml": controllerToml(id, draft) }),
  };
  const said = Object.entries(texts).map(([name, text]) => {
    const file = join(site, name);
    if (existsSync(file)) return `site/${name}: was there, and is as it was`;
    putFile(file, text);
    return `site/${name}`;
  });
  return `${said.join("\n")}\n`;
}

const kmOf = (id: string) => id.replace(/^qkd-/, "km-");
const controllerOf = (id: string) => id.replace(/^qkd-/, "controller-");
const quoted = (text: string) => JSON.stringify(text);

/** Where the program renews its certificate: it writes below its state folder alone. */
function certOf(program: "node" | "km" | "controller", { est }: Pick<Draft, "est">): string {
  return est === undefined
    ? `${program}.crt`
    : `/var/lib/qkd-${program}/certificates/${program}.crt`;
}

function estTable({ est }: Pick<Draft, "est">): string {
  if (est === undefined) return "";
  return `
# Where certificates are renewed; the first ones are beside this file.
[est]
url = ${quoted(est)}
ca = "est-ca.crt"
first = "."
`;
}

function nodeToml(id: string, draft: Draft): string {
  const { module, path } = draft;
  return `# The node: src/node/config/README.md has every key.
[node]
id = ${quoted(id)}
state_dir = "/var/lib/qkd-node"

[log]
timestamps = false

# The key manager on this machine.
[km.main]
host = "localhost"
port = ${ports.kq1}
server_name = ${quoted(kmOf(id))}
ca = "site-ca.crt"
cert = ${quoted(certOf("node", draft))}
key = "/run/credentials/qkd-node.service/node.key"

[[module]]
name = "main"
km = "main"
module_id = ${quoted(module)}

[module.driver]
kind = "qmlp"
path = ${quoted(path)}
${estTable(draft)}`;
}

function kmToml(id: string, draft: Draft): string {
  const { module, matching, peer, sae, peerSae } = draft;
  const [own, other] = [kmOf(id), kmOf(peer.id)];
  // Exactly one end dials.
  const dials = own < other;
  const identity = `ca = "site-ca.crt"
cert = ${quoted(certOf("km", draft))}
key = "/run/credentials/qkd-km.service/km.key"
`;
  const applications =
    sae === undefined || peerSae === undefined
      ? ""
      : `
# Where applications ask for keys (ETSI GS QKD 014).
[etsi014]
port = ${ports.etsi014}
${identity}
[sae.own]
id = ${quoted(sae)}
km = ${quoted(own)}
with = [${quoted(peerSae)}]

[sae.other]
id = ${quoted(peerSae)}
km = ${quoted(other)}
with = [${quoted(sae)}]
`;
  return `# The key manager: src/km/config/README.md has every key.
[km]
id = ${quoted(own)}
state_dir = "/var/lib/qkd-km"

[log]
timestamps = false

[store]
master_key_file = "/run/credentials/qkd-km.service/km-master.key"

# Where the node brings keys: on this machine alone.
[kq1]
host = "localhost"
port = ${ports.kq1}
${identity}
# Between key managers.
[kx]
${dials ? "" : `port = ${ports.kx}\n`}${identity}
[module.main]
module_id = ${quoted(module)}
matching_module_id = ${quoted(matching)}
link = "fibre"
nodes = [${quoted(id)}]

[link.fibre]
peer = ${quoted(other)}
server_name = ${quoted(other)}
${dials ? `host = ${quoted(peer.host)}\nport = ${ports.kx}\n` : ""}${applications}${askedController(id, draft)}${estTable(draft)}`;
}

/** The key manager's table of the controller that it asks. */
function askedController(id: string, { controller }: Draft): string {
  if (controller === undefined) return "";
  // Its own machine has no address yet when it starts.
  const host = controller.id === controllerOf(id) ? "localhost" : controller.host;
  return `
# Who knows which way keys go between key managers without a link of their own.
[controller.network]
host = ${quoted(host)}
port = ${ports.ck}
server_name = ${quoted(controller.id)}
`;
}

function controllerToml(id: string, draft: Draft): string {
  return `# The network's controller: src/controller/config/README.md has every key.
[controller]
id = ${quoted(controllerOf(id))}
state_dir = "/var/lib/qkd-controller"

[log]
timestamps = false

# Where key managers connect.
[ck]
port = ${ports.ck}
ca = "site-ca.crt"
cert = ${quoted(certOf("controller", draft))}
key = "/run/credentials/qkd-controller.service/controller.key"

# Key managers that may: one table for each of the network.
[node.${kmOf(id)}]

[node.${kmOf(draft.peer.id)}]
${estTable(draft)}`;
}
