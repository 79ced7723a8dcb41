/**
 * A network on one machine: emulated module pairs, a node at each place that has any, with a module for each of its
 * fibres, a key manager at every place, a broker, and certificates made for the occasion.
 */
import { writeFileSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { type Clock, systemClock } from "../../src/base/clock.ts";
import { Broker } from "../emulator/broker.ts";
import { type Authority, createAuthority, writeAuthority } from "../emulator/certificates.ts";
import type { PairEnd } from "../emulator/end.ts";
import { EmulatedPair } from "../emulator/pair.ts";
import type { PhysicalLink } from "../emulator/physics/link.ts";
import type { BlockSource } from "../emulator/source/source.ts";
import { type Expected, eventually } from "../eventually.ts";
import { patience } from "../patience.ts";
import { KmNet, type KmNetOptions, type KmOfNet } from "./km-net.ts";
import {
  type Counters,
  ManagerView,
  type ModuleReport,
  type ReportedEvent,
} from "./manager-view.ts";
import { type NetworkOfController, RigController } from "./network-controller.ts";
import { NodeProcess } from "./node-process.ts";
import { makeRigFolder } from "./rig-folder.ts";

export interface Fibre {
  /** Names of the places at both ends. */
  readonly ends: readonly [string, string];
  readonly source: BlockSource;
  readonly link?: PhysicalLink | undefined;
}

export interface NetworkRigOptions {
  /** Names of the places: `node-a` and `km-a` are at `a`. */
  readonly places: readonly string[];
  readonly fibres: readonly Fibre[];
  /** Fibres without modules: the test brings their keys, with {@link KmNet.feed}. */
  readonly fed?: KmNetOptions["fibres"];
  readonly far: KmNetOptions["far"];
  readonly relay?: KmNetOptions["relay"];
  readonly saes?: KmNetOptions["saes"];
  /** A controller of the key managers; default: none. */
  readonly controller?: Pick<NetworkOfController, "bindings" | "spare" | "tables">;
  /** Of the key managers; default: one that is made for them. */
  readonly authority?: KmNetOptions["authority"];
  /** More of the configuration of a key manager, TOML. */
  readonly more?: KmNetOptions["more"];
  readonly baud: number;
  readonly blockIntervalMs: number;
  readonly keyBits?: number | undefined;
  /** More of each module's table of the nodes, TOML. */
  readonly module?: string;
  readonly onLog?: (program: string, line: string) => void;
  readonly clock?: Clock;
  /** Ends the start, which throws then. */
  readonly stop?: AbortSignal;
}

/** What is at one place with a node. */
export interface Place {
  readonly name: string;
  readonly nodeId: string;
  readonly node: NodeProcess;
  readonly config: string;
  readonly km: KmOfNet;
  /** Where its node's page is; undefined until it is served. */
  readonly page: string | undefined;
}

/** One end of a fibre. */
export interface FibreEnd {
  readonly place: Place;
  /** Its module by the name of the node's configuration; and the KM's link. */
  readonly module: string;
  readonly link: string;
  readonly end: PairEnd;
  /** What the node told of it. */
  readonly report: ModuleReport;
  readonly counters: Counters;
}

export interface RigFibre {
  readonly ends: readonly [FibreEnd, FibreEnd];
  readonly pair: EmulatedPair;
}

export class NetworkRig {
  /** Everything that the run writes is in here; gone after `close`. */
  readonly folder: string;
  readonly broker: Broker;
  readonly view: ManagerView;
  readonly places: readonly Place[];
  readonly fibres: readonly RigFibre[];
  readonly kms: KmNet;
  readonly controller: RigController | undefined;
  readonly #opened: AsyncDisposableStack;
  #closed: Promise<void> | undefined;

  private constructor(
    parts: Pick<
      NetworkRig,
      "folder" | "broker" | "view" | "places" | "fibres" | "kms" | "controller"
    >,
    opened: AsyncDisposableStack,
  ) {
    this.folder = parts.folder;
    this.broker = parts.broker;
    this.view = parts.view;
    this.places = parts.places;
    this.fibres = parts.fibres;
    this.kms = parts.kms;
    this.controller = parts.controller;
    this.#opened = opened;
  }

  /** Starts everything; the nodes are on their way up when it returns. */
  static async start(options: NetworkRigOptions): Promise<NetworkRig> {
    // What fails half way up leaves nothing running.
    await using opened = new AsyncDisposableStack();
    const folder = makeRigFolder(opened);
    const authority = await createAuthority("qkd rig CA");
    await writeAuthority(folder, "ca", authority);
    const shown = { commonName: "broker", ip: ["127.0.0.1"], usage: "server", days: 90 } as const;
    const broker = new Broker(undefined, await authority.issue(shown));
    opened.defer(() => broker.close());
    const view = new ManagerView(broker);
    const port = await broker.listen();
    const issuer = options.authority ?? (await createAuthority("KM test CA"));
    const controller = await makeController(folder, port, issuer, options);
    if (controller !== undefined) opened.defer(() => controller.stop());
    const kms = await makeKms(join(folder, "kms"), issuer, controller, options);
    opened.defer(() => kms.stop());
    const up = Promise.all([
      kms.start(patience(30_000, options.stop)),
      ...(controller === undefined ? [] : [controller.start(patience(30_000, options.stop))]),
    ]);
    // It may fail before it is waited for.
    up.catch(() => {});
    const places = kms.kms
      .filter(({ name }) => options.fibres.some(({ ends }) => ends.includes(name)))
      .map((km) => makePlace(folder, port, km, options));
    opened.defer(async () => void (await Promise.all(places.map(({ node }) => node.stop()))));
    const fibres: RigFibre[] = [];
    for (const fibre of options.fibres) {
      const made = await makeFibre(folder, places, view, fibre, options);
      opened.defer(() => made.pair.close());
      fibres.push(made);
    }
    for (const { node } of places) node.start();
    await up;
    const parts = { folder, broker, view, places, fibres, kms, controller };
    return new NetworkRig(parts, opened.move());
  }

  place(name: string): Place {
    return this.places.find((one) => one.name === name) as Place;
  }

  /** Every block that was distilled is released, or kept back with a reason. */
  settled(): boolean {
    return this.fibres.every(
      ({ pair, ends }) => pair.exhausted && ends.every((end) => this.#released(end)),
    );
  }

  /** What the manager was told of the blocks of one module. */
  eventsOf({ place, module }: FibreEnd): ReportedEvent[] {
    const events = [...this.view.node(place.nodeId).events.values()];
    return events.filter((event) => event.module === module);
  }

  #released(of: FibreEnd): boolean {
    const { end } = of;
    const kept = this.eventsOf(of).filter(({ type }) => /^key_(withheld|quarantined)$/.test(type));
    const names = new Set(kept.map(({ facts }) => facts.block));
    return [...end.module.history.values()].every(
      (block) => block.released || names.has(block.name),
    );
  }

  /** The manager was told of each block that yielded no key. */
  told(): boolean {
    return this.fibres.every(({ ends }) =>
      ends.every((of) => {
        const empty = this.eventsOf(of).filter(({ type }) => type === "block_empty");
        const told = new Set(empty.map(({ facts }) => facts.block));
        const history = [...of.end.module.history.values()];
        return history.every(({ facts, name }) => facts.bits > 0 || told.has(name));
      }),
    );
  }

  /** {@link eventually}, whose message tells how the nodes are, and what they logged last. */
  until<T>(what: string, probe: () => T | Promise<T>, more: Expected<NoInfer<T>> = {}): Promise<T> {
    const about = () =>
      this.places
        .flatMap(({ nodeId, node, km }) => {
          const { status, link, reason } = this.view.node(nodeId);
          const seen = `${nodeId}: ${status}, link ${link}, ${reason || "no reason"}`;
          return [seen, ...node.lines.slice(-8), ...km.process.lines.slice(-8)];
        })
        .join("\n");
    return eventually(what, probe, { about, ...more });
  }

  /** Stops everything in order and removes the folder. Any number of times. */
  close(): Promise<void> {
    this.#closed ??= this.#opened.disposeAsync();
    return this.#closed;
  }
}

function moduleId(own: string, other: string): string {
  return `QKD-${own.toUpperCase()}-${other.toUpperCase()}`;
}

async function makeController(
  folder: string,
  brokerPort: number,
  authority: Authority,
  { places, fibres, far, controller, onLog }: NetworkRigOptions,
): Promise<RigController | undefined> {
  if (controller === undefined) return undefined;
  return RigController.make({
    ...controller,
    folder: join(folder, "controller"),
    authority,
    places,
    fibres: fibres.map(({ ends: [one, other] }) => ({
      ends: [one, other],
      modules: [moduleId(one, other), moduleId(other, one)],
    })),
    pairs: far.map(({ ends }) => ends),
    broker: { port: brokerPort, ca: join(folder, "ca.crt") },
    ...(onLog && { onLog: (line: string) => onLog("controller", line) }),
  });
}

async function makeKms(
  folder: string,
  authority: Authority,
  controller: RigController | undefined,
  options: NetworkRigOptions,
): Promise<KmNet> {
  const { places, fibres, fed = [], far, relay, saes, more, onLog } = options;
  const tables = (km: string) => `${controller?.tableOf(km) ?? ""}${more?.(km) ?? ""}`;
  return KmNet.make({
    folder,
    authority,
    kms: places,
    fibres: [...fibres.map(({ ends }) => ends), ...fed],
    far,
    nodes: true,
    moduleId,
    wipeAfterS: 10,
    ...(relay && { relay }),
    ...(saes && { saes }),
    more: tables,
    ...(onLog && { onLog: (km: string, line: string) => onLog(`km-${km}`, line) }),
  });
}

function moduleOf(other: string): string {
  return `to-${other}`;
}

/** Where the devices of a fibre appear. */
function devicesOf(folder: string, [one, other]: Fibre["ends"]): string {
  return join(folder, `${one}-${other}`);
}

function makePlace(
  folder: string,
  brokerPort: number,
  km: KmOfNet,
  { fibres, baud, keyBits, module = "", onLog }: NetworkRigOptions,
): Place {
  const { name, node: files } = km;
  const nodeId = `node-${name}`;
  // JSON's strings are TOML's too.
  const q = JSON.stringify;
  const modules = fibres.flatMap(({ ends }) => {
    if (!ends.includes(name)) return [];
    const [other, role] = ends[0] === name ? [ends[1], "alice"] : [ends[0], "bob"];
    const cut = keyBits === undefined ? "" : `key_bits = ${keyBits}\n`;
    const path = join(devicesOf(folder, ends), `${role}.tty`);
    return [
      `[[module]]
name = ${q(moduleOf(other))}
km = "local"
${cut}
[module.driver]
kind = "qmlp"
path = ${q(path)}
baud = ${baud === 0 ? 115_200 : baud}
${module}`,
    ];
  });
  const config = join(folder, `${nodeId}.toml`);
  writeFileSync(
    config,
    `[node]
id = ${q(nodeId)}
state_dir = ${q(join(folder, nodeId, "state"))}

[web]
port = 0

[manager]
url = "mqtts://127.0.0.1:${brokerPort}"
protocol = 4
telemetry_interval_s = 0.5
ca = ${q(join(folder, "ca.crt"))}

[km.local]
host = "127.0.0.1"
port = ${km.kq1}
server_name = "km-${name}"
ca = ${q(files.ca)}
cert = ${q(files.cert)}
key = ${q(files.key)}

${modules.join("\n")}`,
    { mode: 0o600 },
  );
  let page: string | undefined;
  const node = new NodeProcess(config, join(folder, `${nodeId}.log.txt`), (line) => {
    page = /at=node\.web msg="page" url=(\S+)/.exec(line)?.[1] ?? page;
    onLog?.(nodeId, line);
  });
  return {
    name,
    nodeId,
    node,
    config,
    km,
    get page() {
      return page;
    },
  };
}

async function makeFibre(
  folder: string,
  places: readonly Place[],
  view: ManagerView,
  { ends, source, link }: Fibre,
  { baud, blockIntervalMs, clock = systemClock }: NetworkRigOptions,
): Promise<RigFibre> {
  const [one, other] = ends;
  const devices = devicesOf(folder, ends);
  await mkdir(devices);
  const pair = new EmulatedPair({
    folder: devices,
    baud,
    source,
    ...(link !== undefined && { link }),
    blockIntervalMs,
    clock,
    moduleIds: { alice: moduleId(one, other), bob: moduleId(other, one) },
  });
  const endOf = (name: string, to: string, end: PairEnd): FibreEnd => {
    const place = places.find((known) => known.name === name) as Place;
    const module = moduleOf(to);
    return {
      place,
      module,
      link: to,
      end,
      get report() {
        return view.module(place.nodeId, module);
      },
      get counters() {
        return view.counters(place.nodeId, module);
      },
    };
  };
  return { pair, ends: [endOf(one, other, pair.alice), endOf(other, one, pair.bob)] };
}
