/** The controller of a network on one machine: it knows every place and fibre, and serves its map on loopback. */
import type { ControllerStatus } from "../../src/controller/model/status.ts";
import type { CkBinding } from "../../src/km/io/ck-dial.ts";
import { ask } from "../../src/ops/cli/client.ts";
import { type Authority, type IdentityFiles, writeIdentity } from "../emulator/certificates.ts";
import { ControllerProcess } from "./controller-process.ts";
import type { NodeProcess } from "./node-process.ts";

export interface NetworkOfController {
  /** Everything is kept below it; the caller removes it. */
  readonly folder: string;
  /** Who issued the key managers' certificates. */
  readonly authority: Authority;
  /** The KM of `a` is `km-a`, its node `node-a`. */
  readonly places: readonly string[];
  readonly fibres: readonly {
    readonly ends: readonly [string, string];
    /** IDs of its modules. */
    readonly modules: readonly string[];
    readonly lengthKm?: number;
  }[];
  /** Between which keys are relayed. */
  readonly pairs: readonly (readonly [string, string])[];
  /** How each place's KM speaks with it; default: over TCP. */
  readonly bindings: Readonly<Record<string, CkBinding>>;
  /** Places on the map, 0 to 1 from left to right and from top to bottom; default: one beside the other. */
  readonly map?: Readonly<Record<string, { readonly x: number; readonly y: number }>>;
  /** Where the nodes report; without it there are none. */
  readonly broker?: { readonly port: number; readonly ca: string };
  /** Name of a KM that is registered, and that no process uses. */
  readonly spare: string;
  /** More of its configuration, TOML. */
  readonly tables?: string;
  readonly onLog?: (line: string) => void;
}

/** What somebody needs to connect as the KM that no process uses. */
export interface SpareKm extends IdentityFiles {
  readonly id: string;
  readonly ca: string;
}

export class RigController {
  readonly spare: SpareKm;
  /** Where key managers connect: Ck over TCP and over gRPC. */
  readonly at: { readonly host: string; readonly port: number };
  readonly #process: ControllerProcess;
  readonly #bindings: NetworkOfController["bindings"];
  readonly #page: () => string | undefined;

  private constructor(
    process: ControllerProcess,
    spare: SpareKm,
    bindings: NetworkOfController["bindings"],
    page: () => string | undefined,
  ) {
    this.#process = process;
    this.spare = spare;
    this.at = { host: "127.0.0.1", port: process.port };
    this.#bindings = bindings;
    this.#page = page;
  }

  /** Makes certificates and a configuration; starts nothing. */
  static async make(network: NetworkOfController): Promise<RigController> {
    const { folder, authority, spare: name, bindings, onLog } = network;
    let page: string | undefined;
    const process = await ControllerProcess.make({
      folder,
      authority,
      tables: tablesOf(network),
      onLog: (line) => {
        page = /msg="page" url=(\S+)/.exec(line)?.[1] ?? page;
        onLog?.(line);
      },
    });
    const id = `km-${name}`;
    const issued = await authority.issue({ commonName: id, dns: [id], usage: "both", days: 90 });
    const spare = { id, ca: `${folder}/ca.crt`, ...(await writeIdentity(folder, id, issued)) };
    return new RigController(process, spare, bindings, () => page);
  }

  get process(): NodeProcess {
    return this.#process.process;
  }

  get config(): string {
    return this.#process.config;
  }

  /** Address of its map; undefined until it is served. */
  get page(): string | undefined {
    return this.#page();
  }

  /** What the configuration of a place's KM says of it, TOML. */
  tableOf(place: string): string {
    const { host, port } = this.at;
    return `[controller.${this.#process.id}]
host = "${host}"
port = ${port}
binding = "${this.#bindings[place] ?? "tcp"}"
`;
  }

  /** Until it takes connections, also those of the spare KM. */
  async start(signal: AbortSignal): Promise<void> {
    await this.#process.start(signal);
    const what = { kind: "km", id: this.spare.id };
    await ask([`${this.#process.state}/control`], "register", what);
  }

  /** @throws CliError while it does not run */
  status(): Promise<ControllerStatus> {
    return this.#process.status();
  }

  async stop(): Promise<void> {
    await this.process.stop();
  }
}

function tablesOf(network: NetworkOfController): string {
  const { places, fibres, pairs, map, broker, tables = "" } = network;
  // JSON's strings and lists of strings are TOML's too.
  const q = JSON.stringify;
  const nodes = places.map((place, i) => {
    const { x, y } = map?.[place] ?? { x: (i + 0.5) / places.length, y: 0.5 };
    const controllers = broker === undefined ? [] : [`node-${place}`];
    return `[node.${place}]
km = ${q(`km-${place}`)}
site = ${q(place)}
x = ${x}
y = ${y}
controllers = ${q(controllers)}
`;
  });
  const links = fibres.map(
    ({ ends, modules, lengthKm }) => `[link.${ends.join("--")}]
between = ${q(ends)}
modules = ${q(modules)}
${lengthKm === undefined ? "" : `length_km = ${lengthKm}\n`}`,
  );
  const relayed = pairs.map((ends) => `[pair.${ends.join("--")}]\nbetween = ${q(ends)}\n`);
  const manager =
    broker === undefined
      ? ""
      : `[manager]
url = "mqtts://127.0.0.1:${broker.port}"
protocol = 4
ca = ${q(broker.ca)}
`;
  return `[web]
port = 0

${manager}
${[...nodes, ...links, ...relayed].join("\n")}
${tables}`;
}
