/**
 * What a KM reports beside its links, so that a controller that begins anew learns all there is from the KMs: pairs
 * that share no fibre, the applications that it serves, what these used, their sessions. Extensions of a Report; no
 * message of the draft has them.
 */
import { Members, stamp } from "../kq2/members.ts";
import type { CkExtension, CkMessage } from "./messages.ts";
import { extension as known, limits } from "./names.ts";
import { bad, mostRate, objectsIn } from "./report.ts";

/** The reporting KM. Counters of {@link UsageReport} and {@link PairReport} are since it started. */
export interface KmReport {
  readonly version: string;
  /** ms since 1970 UTC */
  readonly started: number;
  /** Where it stands, if that is configured. */
  readonly site?: string;
}

/** Who says which way the keys of a pair go: its configuration, the whole route or each hop the controller. */
export const routings = ["configuration", "controller", "next_hop"] as const;
export type Routing = (typeof routings)[number];

/** What is relayed to another KM. */
export interface PairReport {
  /** KMA at the other end. */
  readonly peer: string;
  /** Both KMs talk to each other. */
  readonly up: boolean;
  /** Bits of relayed key that this KM may still allocate. */
  readonly stock: number;
  /** As in Kx: `case-2`. */
  readonly scheme: string;
  readonly routing: Routing;
  /** KMAs between, of the route that is used next; absent: there is none. Of routing by hops only the first is known. */
  readonly route?: readonly string[];
  /** Bits that both ends got by relays of this KM; bits of KMA-key that this cost, over all hops. */
  readonly relayed: number;
  readonly pads: number;
  readonly relays: number;
  readonly failed: number;
  /** bit/s that are used of late. */
  readonly consumption: number;
}

/** What applications had of the keys of this KM and another. */
export interface UsageReport {
  /** SAE IDs: who asked for keys first, then those who fetch them. */
  readonly applications: readonly string[];
  /** KMA at the other end of the link whose keys they were. */
  readonly peer: string;
  readonly requests: number;
  /** KSA-keys that this KM handed out, and their bits. */
  readonly keys: number;
  readonly bits: number;
  readonly refused: number;
}

export interface SessionReport {
  readonly id: string;
  readonly source: string;
  readonly destination: string;
  /** Where this KM is in it. */
  readonly role: "source" | "destination";
  /** KSA-keys at most. */
  readonly number?: number;
  /** KSA-keys that it was given so far. */
  readonly keys: number;
  /** It is over. */
  readonly ended?: true;
}

export interface StateReport {
  readonly km?: KmReport;
  readonly pairs: readonly PairReport[];
  readonly applications: readonly string[];
  readonly usage: readonly UsageReport[];
  readonly sessions: readonly SessionReport[];
}

const roles = ["source", "destination"] as const;
/** SAE IDs of one set; characters of texts that are no ID; IDs of one object, so that it has its place. */
const most = { set: 64, text: 64, ids: 2_048 } as const;
/** Bytes of the IDs of one object. */
const idBytes = 6_000;

/** @throws Fault `ck.message` if a value is out of its range */
export function kmExtension({ version, started, site }: KmReport): CkExtension {
  const members = { version, started: stamp(started), ...(site !== undefined && { site }) };
  readKm(members);
  return { [known.km]: members };
}

/** @throws Fault `ck.message` */
export function pairExtension(pair: PairReport): CkExtension {
  const members = {
    peer_kma_id: pair.peer,
    up: pair.up,
    stock_bits: pair.stock,
    scheme: pair.scheme,
    routing: pair.routing,
    ...(pair.route !== undefined && { route: pair.route }),
    relayed_bits: pair.relayed,
    pad_bits: pair.pads,
    relays: pair.relays,
    failed: pair.failed,
    consumption_rate: pair.consumption,
  };
  readPair(members);
  return { [known.pair]: members };
}

/** As many objects as the IDs need. @throws Fault `ck.message` */
export function applicationExtensions(ids: readonly string[]): CkExtension[] {
  const objects: CkExtension[] = [];
  let some: string[] = [];
  let bytes = 0;
  const put = () => {
    if (some.length > 0) objects.push({ [known.applications]: { ids: some } });
    some = [];
    bytes = 0;
  };
  for (const id of ids) {
    // As JSON has it: a character may take more there.
    const length = Buffer.byteLength(JSON.stringify(id)) + 1;
    if (bytes + length > idBytes) put();
    some.push(id);
    bytes += length;
  }
  put();
  for (const one of objects) readApplications(one[known.applications] as CkExtension);
  return objects;
}

/** @throws Fault `ck.message` */
export function usageExtension(usage: UsageReport): CkExtension {
  const { applications, peer, requests, keys, bits, refused } = usage;
  const members = { applications, peer_kma_id: peer, requests, keys, bits, refused };
  readUsage(members);
  return { [known.usage]: members };
}

/** @throws Fault `ck.message` */
export function sessionExtension(session: SessionReport): CkExtension {
  const { id, source, destination, role, number, keys, ended } = session;
  const members = {
    session_id: id,
    application_source_id: source,
    application_destination_id: destination,
    role,
    ...(number !== undefined && { number }),
    keys,
    ...(ended && { ended }),
  };
  readSession(members);
  return { [known.session]: members };
}

/** What a report tells beside its links. @throws Fault `ck.message` */
export function stateIn(report: CkMessage): StateReport {
  const km = objectsIn(report, known.km).map(readKm).at(-1);
  return {
    ...(km !== undefined && { km }),
    pairs: objectsIn(report, known.pair).map(readPair),
    applications: objectsIn(report, known.applications).flatMap(readApplications),
    usage: objectsIn(report, known.usage).map(readUsage),
    sessions: objectsIn(report, known.session).map(readSession),
  };
}

function readKm(object: CkExtension): KmReport {
  const members = new Members(object, bad);
  const site = members.maybeText("site", limits.id);
  return {
    version: members.text("version", 1, most.text),
    started: members.time("started"),
    ...(site !== undefined && { site }),
  };
}

function readPair(object: CkExtension): PairReport {
  const members = new Members(object, bad);
  const route = Object.hasOwn(object, "route")
    ? members.texts("route", 1, limits.id, limits.kmas)
    : undefined;
  return {
    peer: members.text("peer_kma_id", 1, limits.id),
    up: members.flag("up"),
    stock: members.whole("stock_bits"),
    scheme: members.text("scheme", 1, most.text),
    routing: members.word("routing", routings),
    ...(route !== undefined && { route }),
    relayed: members.whole("relayed_bits"),
    pads: members.whole("pad_bits"),
    relays: members.whole("relays"),
    failed: members.whole("failed"),
    consumption: members.maybeNumber("consumption_rate", 0, mostRate) ?? 0,
  };
}

function readApplications(object: CkExtension): readonly string[] {
  return new Members(object, bad).texts("ids", 1, limits.id, most.ids);
}

function readUsage(object: CkExtension): UsageReport {
  const members = new Members(object, bad);
  return {
    applications: members.texts("applications", 1, limits.id, most.set),
    peer: members.text("peer_kma_id", 1, limits.id),
    requests: members.whole("requests"),
    keys: members.whole("keys"),
    bits: members.whole("bits"),
    refused: members.whole("refused"),
  };
}

function readSession(object: CkExtension): SessionReport {
  const members = new Members(object, bad);
  const number = members.maybeWhole("number");
  return {
    id: members.text("session_id", 1, limits.id),
    source: members.text("application_source_id", 1, limits.id),
    destination: members.text("application_destination_id", 1, limits.id),
    role: members.word("role", roles),
    ...(number !== undefined && { number }),
    keys: members.whole("keys"),
    ...(members.maybeFlag("ended") === true && { ended: true as const }),
  };
}
