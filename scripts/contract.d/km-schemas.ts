/** JSON Schemas of what key managers tell, made from the tables that the code itself uses. */

import { alarmNames, kindOf } from "../../src/km/alarms/catalogue.ts";
import { commandNames } from "../../src/km/commands/table.ts";
import { recordKinds } from "../../src/km/records/record.ts";
import {
  about,
  count,
  flag,
  list,
  mapOf,
  number,
  oneOf,
  type Schema,
  text,
} from "../../src/node/cli/schema-parts.ts";
import { routings } from "../../src/wire/ck/state.ts";
import { codes } from "../../src/wire/kx/names.ts";
import {
  alarmState,
  anyFacts,
  birthOf,
  boot as bootOf,
  commandsOf,
  eventHead,
  eventOf,
  object,
  ownFigures,
  resultOf,
  signed,
  time,
  topicLevel,
} from "./parts.ts";

const boot = bootOf("km");
const head = eventHead("km");
const bits = (description: string) => about(count, `${description}, bits`);
const rate = (description: string) =>
  about(number, `${description}, bit/s, since the message before; absent in the first`);
const uuid = { type: "string", pattern: "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$" } as const;
const facts = { km: topicLevel, boot, version: text };

const status = birthOf("km", facts);

const inventory = object(
  "What the key manager is made of.",
  {
    ...facts,
    configuration_digest: about(text, "tells configurations apart"),
    links: about(list(topicLevel), "names of its links: each has a state"),
    links_left_out: about(
      count,
      "links that the message had no room for; each has a state all the same",
    ),
    modules: about(list(topicLevel), "names of the modules whose keys it takes: each has a state"),
    modules_left_out: about(
      count,
      "modules that the message had no room for; each has a state all the same",
    ),
    commands: commandsOf(commandNames),
    records: about(flag, "whether it tells records of the life of keys"),
  },
  ["links_left_out", "modules_left_out"],
);

const link = object(
  "State of a link to another key manager.",
  {
    boot,
    peer: about(text, "KM ID of the other end"),
    leads: about(flag, "whether this end proposes batches"),
    takes: about(
      oneOf("witnessed", "local"),
      "local: applications of this end fetch keys without the other end as a witness",
    ),
    session: about(
      oneOf("down", "comparing", "ready"),
      "comparing: both books are compared, before anything else",
    ),
    key_exchange: about(text, "group of TLS's key exchange, while there is a session"),
    same_policy: about(
      flag,
      "both ends have the same table of applications; true while there is no session",
    ),
    since: about(time, "when the session became so"),
    mark: about(
      count,
      "durable transactions of this end; a disk that is put back has fewer: it must never fall",
    ),
    peer_mark: about(count, "the most that was heard of the other end's"),
  },
  ["key_exchange"],
);

const passed = (description: string) =>
  object(description, { relays: count, failed: count, bits: bits("relayed key") });

const relay = object(
  "Of a link whose keys are relayed: what this key manager began, since its start.",
  {
    scheme: about(oneOf(...codes.relayScheme), "how keys are relayed where pads are there"),
    routing: about(oneOf(...routings), "who says which way"),
    route: about(
      list(text),
      "KM IDs between both ends, of the way that is tried next; absent: none is known",
    ),
    under_way: about(count, "relays that have not come to an end"),
    used_bits_per_s: about(count, "what applications use of late, bit/s"),
    failed: about(count, "attempts that failed"),
    low_bits: bits("least stock, by the policy; absent where it does not say"),
    failing_since: about(time, "nothing comes though it is wanted, since then; absent: it does"),
    methods: list(
      object("What came by one scheme.", {
        scheme: oneOf(...codes.relayScheme),
        stock_bits: bits("free key that came by it, of both owners, also before the start"),
        relays: about(count, "that brought key"),
        bits: bits("key that both ends have by it"),
        pad_bits: bits("KMA-key that it cost, over all links of the routes"),
      }),
    ),
    last_failure: object("The last attempt that failed.", {
      failure: oneOf(...codes.relayFailure, "differs", "expired"),
      at: about(text, "KM ID"),
      route: about(list(text), "KM IDs between both ends"),
      time,
    }),
  },
  ["route", "low_bits", "failing_since", "last_failure"],
);

const linkTelemetry = object(
  "Figures of a link. Counters of keys are since the process began, `matched_bits` since the link did.",
  {
    boot,
    t: time,
    stock_bits: bits("free KMA-key that this end may allocate"),
    peer_stock_bits: bits("free KMA-key that the other end may allocate"),
    waiting_keys: about(count, "QKD-keys that wait for their match"),
    waiting_bits: bits("QKD-keys that wait for their match"),
    oldest_s: about(number, "how long the oldest of them waits, s"),
    matched_bits: bits("matched key"),
    compared_keys: about(count, "QKD-keys that were the same at both ends"),
    differing_keys: about(count, "QKD-keys that were not: void at both"),
    expired_keys: about(count, "QKD-keys that found no match in time"),
    extents: about(count, "matched batches of which something is left"),
    uses: about(count, "KSA-keys on their way to applications"),
    under_way_bits: bits("KSA-keys on their way: offered, supplied, or bound"),
    taken_bits: bits("KSA-keys that applications fetched, at either end; since the link began"),
    unfetched_bits: bits("KSA-keys that none fetched in time, at either end; since the link began"),
    supplied_keys: about(count, "KSA-keys that this end gave to applications"),
    supplied_bits: bits("KSA-keys that this end gave to applications"),
    matched_rate: rate("key that was matched"),
    supplied_rate: rate("key that this end gave to applications"),
    relay,
  },
  ["matched_rate", "supplied_rate", "relay"],
);

const module = object("A module whose keys are taken.", {
  boot,
  module_id: text,
  matching_module_id: text,
  link: about(topicLevel, "where its keys are matched"),
  mode: about(oneOf("proactive", "on_request"), "whether its node is asked for keys"),
});

const moduleTelemetry = object(
  "Figures of a module's keys since the process began.",
  {
    boot,
    t: time,
    received_keys: count,
    received_bits: bits("key that came"),
    repeats: about(count, "keys that had come before"),
    conflicts: about(count, "other contents under an ID that had come before"),
    last_key_at: about(time, "when the last key came; absent: none did"),
    received_rate: rate("key that came"),
  },
  ["last_key_at", "received_rate"],
);

const telemetry = object(
  "Figures of the key manager as a whole.",
  {
    boot,
    t: time,
    uptime_s: about(count, "s since the process began"),
    store: object("Its store.", {
      buffered_keys: about(count, "QKD-keys that wait for their match"),
      buffered_bits: count,
      stock_bits: bits("matched key"),
      disk_bytes: about(count, "what keys take on the disk"),
      limit_bytes: about(count, "and what they may take"),
      full: about(flag, "no key is taken"),
    }),
    nodes_connected: count,
    controllers_connected: about(count, "absent where no controller is configured"),
    refused: about(mapOf(count), "answers to nodes other than `success`, since the start"),
    ...ownFigures,
    relays: object("Relays, since the start.", {
      under_way: about(count, "relays that have not come to an end"),
      passed: passed("Passed on for others."),
      collected: passed("Of which XORs were collected for others."),
      taken: passed("That ended here."),
    }),
  },
  ["controllers_connected", "relays"],
);

const event = eventOf(
  "km",
  alarmNames,
  kindOf,
  object("What happened to a link or to keys. New types may be added.", {
    ...head,
    type: { type: "string", pattern: "^(link|keys|km)_[a-z_]+$" },
    facts: anyFacts,
  }),
);

const range = object(
  "Bytes of an extent.",
  {
    extent: about(count, "number of the matched batch"),
    key: about(count, "which of the IDs they are of, from 0; absent where there are none"),
    start: about(count, "absent, as `end` is: all of it"),
    end: count,
  },
  ["key", "start", "end"],
);

const run = object(
  "QKD-keys that came alike, in the order of the IDs.",
  {
    count,
    bits: about(count, "of each"),
    received: time,
    generated: about(time, "by the module's clock"),
    qber: about(number, "0 to 1"),
    module: about(count, "place in `modules`, from 0"),
  },
  ["generated", "qber", "module"],
);

const recordMembers: Record<string, Schema> = {
  number: about(
    { type: "integer", minimum: 1 },
    "rises by one, over starts too: one that is left out is a record that is gone",
  ),
  kind: oneOf(...recordKinds),
  route: about(list(text), "of `relayed`: KM IDs of its path; `state` is what this KM was in it"),
  t: time,
  part: about({ type: "integer", minimum: 1 }, "of a record that is told in parts, from 1"),
  more: about(flag, "another part of it follows"),
  link: topicLevel,
  kms: about(list(text), "KM IDs: this one, and the other"),
  modules: about(list(list(text)), "pairs of module IDs: this end's, and the one that matches it"),
  runs: list(run),
  ids: about(list(uuid), "of QKD-keys or KSA-keys"),
  ranges: list(range),
  unit: about(count, "bytes of a KMA-key"),
  split: about(count, "where the share of the leader ends, bytes"),
  leads: about(flag, "whether this end does"),
  state: about(text, "O offered, P prepared, S supplied; B bound, T taken, X expired, V void"),
  fate: about(text, "at the other end: T taken, X expired, V void"),
  owner: about(flag, "whether this end owned the bytes"),
  applications: about(text, "the set of applications"),
  fetched: about(text, "of a set with several slaves: those that have the key, a list in JSON"),
  offer: text,
  reason: text,
  mark: count,
  remembered: count,
  bytes: count,
  count: about(count, "of `missing`: so many records could not be written"),
  from: time,
  to: time,
  by: about(text, "who gave the order"),
};

const record = object(
  "Records of the life of keys (ITU-T Y.3803 §8.2.6), in order, each at least once. No key byte is in any.",
  {
    boot,
    records: list(
      object(
        "A record, or a part of one; which members it has depends on its kind.",
        recordMembers,
        Object.keys(recordMembers).filter((name) => !["number", "kind", "t"].includes(name)),
      ),
    ),
  },
);

/** By name; the file is `schemas/NAME.json`. */
export const kmSchemas: Readonly<Record<string, Schema>> = {
  km_status: status,
  km_inventory: inventory,
  km_telemetry: telemetry,
  km_link: link,
  km_link_telemetry: linkTelemetry,
  km_module: module,
  km_module_telemetry: moduleTelemetry,
  km_alarm: alarmState(alarmNames, kindOf, "km"),
  km_event: event,
  km_record: record,
  km_command: signed("km", commandNames, "the start it is for; compromise with delete"),
  km_result: resultOf("km"),
};
