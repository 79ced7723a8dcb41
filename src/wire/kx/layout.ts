/** Fields of each message in the order in which they are on the wire; README.md has the same as tables. */

import type { Deliver, Delivered } from "./deliver-messages.ts";
import {
  blob,
  type Field,
  fixed,
  flag,
  list,
  maybe,
  maybeWord,
  name,
  packed,
  pair,
  struct,
  text,
  u16,
  u32,
  u64,
  word,
} from "./fields.ts";
import type {
  ExtentBook,
  FateCount,
  KxMessage,
  Offer,
  Range,
  RegionBook,
  UseBook,
} from "./messages.ts";
import { codes, limits, size, versions } from "./names.ts";
import { offeredKeys, versionedRange } from "./offered-keys.ts";
import type { Relay, Relayed } from "./relay-messages.ts";

/** A message without what the codec adds. */
export type Body<M> = M extends KxMessage ? Omit<M, "type" | "digest"> : never;

export type Layouts = {
  readonly [T in KxMessage["type"]]: Field<Body<Extract<KxMessage, { type: T }>>>;
};

const count = u64(0, limits.count);
/** Number of an extent. */
const number = u64(1, limits.count);
const place = u32(0, limits.extentBytes);
const version = u32(0, limits.version);
const digest = fixed(size.digest);
const id = fixed(size.id);
const ids = packed(size.id, 0, limits.batchKeys);
const offer = fixed(size.offer);
const tag = fixed(size.tag);
const kmId = name(limits.name, limits.nameBytes);
const use = text(1, limits.useBytes);

const ordered = ({ start, end }: Range | RegionBook) => (start < end ? undefined : "end");
const range = struct<Range>({ extent: number, start: place, end: place }, ordered);
const region = struct<RegionBook>(
  { start: place, end: place, version, mark: place, giving: flag },
  (value) => {
    const { start, end, mark } = value;
    return ordered(value) ?? (start <= mark && mark <= end ? undefined : "mark");
  },
);
export const extentBook = struct<ExtentBook>({
  number,
  state: word(codes.extentState),
  digest,
  length: u32(1, limits.extentBytes),
  regions: list(region, 0, limits.regions),
});
export const useBook = struct<UseBook>({
  id,
  offer,
  owner: flag,
  state: word(codes.useState),
  fate: maybeWord(codes.fate),
  had: u16(0, 2 ** limits.slaves - 1),
  use: maybe(use),
  ranges: list(range, 0, limits.ranges),
});
const fateCount = struct<FateCount>({ number: count, taken: count, expired: count });
const slave = u16(0, limits.slaves - 1);

/** Books in one frame: by its length, not by their number. */
const most = 0xffff;

export const layouts: Layouts = {
  hello: struct({
    version: u16(Math.min(...versions), Math.max(...versions)),
    from: kmId,
    to: kmId,
    incarnation: fixed(size.incarnation),
    nonce: fixed(size.nonce),
    policy: digest,
  }),
  sync: struct({
    mark: count,
    heardMark: count,
    highest: count,
    told: fateCount,
    heard: fateCount,
  }),
  syncExtents: struct({ extents: list(extentBook, 0, most) }),
  syncUses: struct({ uses: list(useBook, 0, most) }),
  syncEnd: struct({}),
  propose: struct(
    {
      number,
      modules: pair(kmId),
      unit: u32(1, limits.extentBytes),
      split: place,
      ids: packed(size.id, 1, limits.batchKeys),
      lengths: list(u32(1, limits.keyBytes), 1, limits.batchKeys),
      // The last one: all before it is what the digest is over.
      tag,
    },
    ({ ids: named, lengths, split }) => {
      if (named.length !== lengths.length * size.id) return "lengths";
      return split <= lengths.reduce((sum, length) => sum + length, 0) ? undefined : "split";
    },
  ),
  match: struct({ number, digest }),
  matchMac: struct({ number, digest, tag }),
  noMatch: struct({ number, reason: word(codes.noMatch), lacking: ids }),
  commit: struct({ number }),
  // 0: of no batch.
  abort: struct({ number: u64(0, limits.count), void: ids }),
  offer: struct<Body<Offer>>({
    offer,
    use: maybe(use),
    pickUp: u32(0, limits.pickUp),
    keys: offeredKeys,
    tag,
  }),
  ack: struct({
    offer,
    digest,
    refused: list(maybeWord(codes.refusal), 1, limits.offerKeys),
  }),
  assign: struct({ offer, id, use }),
  void: struct({ offer, id, ranges: list(range, 1, limits.ranges) }),
  take: struct({ offer, id, slave }),
  taken: struct({ offer, id, slave, yes: flag }),
  fate: struct({
    number: count,
    offer,
    id,
    fate: word(codes.fate),
    length: place,
  }),
  fateOk: struct({ number: count }),
  deliver: struct<Body<Deliver>>({
    delivery: id,
    session: name(limits.session, limits.sessionBytes),
    within: u32(1, limits.deliveryMs),
    ids: packed(size.id, 1, limits.offerKeys),
  }),
  delivered: struct<Body<Delivered>>(
    {
      delivery: id,
      failure: maybeWord(codes.delivery),
      ids: packed(size.id, 0, limits.offerKeys),
    },
    ({ failure, ids: had }) => ((failure === undefined) === had.length > 0 ? undefined : "ids"),
  ),
  give: struct({ range: versionedRange }),
  given: struct({ range: versionedRange }),
  ask: struct({ bytes: u64(1, limits.count) }),
  relay: struct<Body<Relay>>(
    {
      relay: id,
      pad: id,
      scheme: word(codes.relayScheme),
      step: word(codes.relayStep),
      path: list(kmId, 2, limits.routeKms),
      collector: maybe(kmId),
      at: u16(0, limits.routeKms - 1),
      time: count,
      length: u32(1, limits.relayBytes),
      body: blob(limits.relayBody),
      // The last one: all before it is what it is computed over.
      tag,
    },
    ({ path, at }) => {
      const bytes = path.reduce((sum, km) => sum + Buffer.byteLength(km), 0);
      if (bytes > limits.routeBytes) return "path";
      return at < path.length ? undefined : "at";
    },
  ),
  relayed: struct<Body<Relayed>>({
    relay: id,
    at: kmId,
    failure: maybeWord(codes.relayFailure),
  }),
  relayVoid: struct({ relay: id }),
  relayPiece: struct({ bytes: packed(1, 1, limits.relayPiece) }),
  alive: struct({}),
};
