/** JSON Schemas of every payload, made from the tables that the code itself uses. */
import { alarmNames, kindOf } from "../../src/node/alarms/catalogue.ts";
import { verdictCodes } from "../../src/node/alarms/verdict.ts";
import { about, count, flag, oneOf, type Schema, text } from "../../src/node/cli/schema-parts.ts";
import { commandNames } from "../../src/node/commands/table.ts";
import { type FigureSpec, figures } from "../../src/port/telemetry.ts";
import {
  alarmFacts,
  alarmState,
  anyFacts,
  boot,
  eventHead,
  incarnation,
  object,
  resultOf,
  signed,
  time,
  topicLevel,
} from "./parts.ts";

const nodeFacts = { node: topicLevel, boot: boot("node"), version: text };

const panel = object(
  "The chassis panel and what it brought about; only where there is one.",
  {
    presence: about(oneOf("ok", "lost", "none"), "`none`: not configured any more"),
    tamper: about(oneOf("none", "seen", "latched"), "`latched`: on disk; cleared by clear_tamper"),
    contacts: {
      type: "array",
      items: { type: "integer", minimum: 0, maximum: 7 },
      description: "that opened, from 0; none: the panel could not have noticed",
    },
    tampered_at: time,
    maintenance: about(flag, "the key switch is at maintenance"),
    zeroize: about(oneOf("none", "pending", "done", "failed"), "of all modules, by the panel"),
    halted: about(flag, "no key leaves the node"),
    halted_because: text,
    serial: text,
    firmware: text,
  },
  ["contacts", "tampered_at", "halted_because", "serial", "firmware"],
);

const status = object(
  "Birth, goodbye, and the will that the broker sends for a node that is lost.",
  {
    status: oneOf("online", "offline"),
    ...nodeFacts,
    incarnation,
    reason: about(oneOf("stopped", "connection lost"), "only with `offline`"),
    panel,
    t: about(time, "RFC 3339, UTC; a will has none"),
  },
  ["reason", "panel", "t"],
);

const module = object(
  "A module as configured and, once it was identified, as it tells of itself.",
  {
    name: topicLevel,
    driver: text,
    where: about(text, "device path or address"),
    km: about(text, "names of its KMs, with a comma and a space between"),
    module_id: text,
    matching_module_id: text,
    role: oneOf("alice", "bob"),
    vendor: text,
    model: text,
    serial: text,
    firmware: text,
    key_exchange: about(text, "groups of TLS's key exchanges with the KMs that are connected"),
  },
  [
    ...["module_id", "matching_module_id", "role", "vendor", "model", "serial", "firmware"],
    "key_exchange",
  ],
);

const inventory = object(
  "What the node is made of.",
  {
    ...nodeFacts,
    configuration_digest: about(text, "tells configurations apart"),
    modules: { type: "array", items: module },
    modules_left_out: about(
      count,
      "modules that the message had no room for; each has a state all the same",
    ),
    commands: about(
      { type: "array", items: oneOf(...commandNames) },
      "commands that this node can carry out; empty if it takes none",
    ),
  },
  ["modules_left_out"],
);

const state = object("State of a module and its links; names of ETSI GS QKD 015.", {
  module: oneOf("OPERATING", "DOWN", "FAILURE", "OUT"),
  link: about(
    oneOf("ACTIVE", "PASSIVE", "OFF"),
    "OFF: no module, or no light from the other end; PASSIVE: told to stop",
  ),
  km: about(oneOf("UP", "DOWN"), "UP: connected, and it answers for its keys"),
  reason: about(text, "why something is not as it should be; empty if all is well"),
  since: time,
  health: object("The verdict on its supply: every surface of the node shows this one.", {
    level: about(
      oneOf("good", "waiting", "attention", "bad"),
      "waiting: not known yet; attention: keys arrive, or are not meant to; bad: none gets through",
    ),
    verdict: oneOf(...verdictCodes),
    ready: about(flag, "keys arrive at the KM, or would as soon as there are some"),
    text: about(text, "the reason in words"),
    since: time,
  }),
});

function figure({ unit, min, max, about: what, list }: FigureSpec): Schema {
  const one = { type: "number", minimum: min, maximum: max };
  const value = list ? { type: "array", items: one } : one;
  return object(
    `${what}; ${unit === "1" ? "ratio" : unit}${list ? ", one value a detector" : ""}`,
    {
      last: value,
      min: value,
      max: value,
      mean: value,
      count: about(count, "values within range in the window"),
      age_ms: about(count, "since the last of them"),
      quality: oneOf("good", "stale", "out_of_range"),
    },
    ["last", "min", "max", "mean"],
  );
}

const telemetry = object("Figures over a window; what a module does not report is absent.", {
  boot: boot("node"),
  t: time,
  figures: {
    type: "object",
    properties: Object.fromEntries(
      Object.entries(figures).map(([name, spec]) => [name, figure(spec)]),
    ),
  },
});

const kq1: Schema = {
  ...object("Counters of key supply since the process began.", {
    boot: boot("node"),
    t: time,
    supplied: about(
      count,
      "keys given to the KM, each once; what was refused for good is among them",
    ),
    confirmed: about(count, "keys that the KM confirmed"),
    repeats: about(count, "further supplies of a key"),
    refused: about({ type: "object", additionalProperties: count }, "answers by reason"),
    withheld: about(count, "blocks withheld from the KM, whatever the reason"),
    quarantined: about(count, "keys refused for good, blocks that cannot be read"),
    empty_blocks: count,
    bits: about(count, "confirmed key"),
    released_blocks: count,
    in_flight: about(count, "keys supplied and not answered for, now"),
    held_blocks: about(count, "blocks in the node's memory, now"),
    kept_back: about(
      { type: "object", additionalProperties: count },
      "blocks, and keys in quarantine, that are kept back now, by what for: withheld.qber, other_km",
    ),
    dropped_telemetry: about(count, "messages of telemetry and counters that were dropped"),
    dropped_events: about(count, "events that were given up"),
  }),
  additionalProperties: { type: ["integer", "object"] },
};

const alarm = alarmState(alarmNames, kindOf);
const alarmEvent = alarmFacts(alarmNames, kindOf);

const event: Schema = {
  description:
    "Something that happened, in order. Alarm transitions and audit events are never lost: they " +
    "may come twice, with the same event_id.",
  oneOf: [
    object("An alarm's transition.", {
      ...eventHead("node"),
      type: oneOf("alarm_raised", "alarm_changed", "alarm_acknowledged", "alarm_cleared"),
      facts: alarmEvent,
    }),
    object("A command that was carried out.", {
      ...eventHead("node"),
      type: oneOf("command"),
      facts: anyFacts,
    }),
    object("A command that was not.", {
      ...eventHead("node"),
      type: oneOf("command_refused"),
      facts: anyFacts,
    }),
    object("What happened to a module or to keys. New types may be added.", {
      ...eventHead("node"),
      type: { type: "string", pattern: "^(block|key|module|link|km)_[a-z_]+$" },
      module: topicLevel,
      facts: anyFacts,
    }),
    object("What happened to the node as a whole. New types may be added.", {
      ...eventHead("node"),
      type: { type: "string", pattern: "^node_[a-z_]+$" },
      facts: anyFacts,
    }),
  ],
};

const command = signed(
  "node",
  commandNames,
  "the start it is for; zeroize, clear_tamper, install_update",
);
const result = resultOf("node");

/** By name; the file is `schemas/NAME.json`. */
export const schemas: Readonly<Record<string, Schema>> = {
  status,
  inventory,
  state,
  telemetry,
  kq1,
  alarm,
  event,
  command,
  result,
};
