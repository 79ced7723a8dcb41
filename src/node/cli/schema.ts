/** JSON Schemas of what `--json` prints, by command. A test checks every answer against them. Pure. */
import { certificate } from "./schema-certificates.ts";
import {
  about,
  count,
  flag,
  list,
  mapOf,
  number,
  object,
  oneOf,
  type Schema,
  text,
  time,
} from "./schema-parts.ts";
import { broker, health, keptBack, keyExchange, status } from "./schema-status.ts";

const keys = object({
  modules: list(
    object(
      {
        module: text,
        in_module_bits: about(number, "absent if the module does not tell"),
        since_start: about(
          { type: "object", additionalProperties: { type: ["integer", "object"] } },
          "counters of the topic kq1/{module}",
        ),
        kept_back: keptBack,
        ledger: about(
          object({
            blocks: about(count, "not released by the module yet"),
            complete: count,
            withheld: count,
            damaged: count,
            keys: object({ delivered: count, quarantined: count, assigned: count }),
          }),
          "what is on record, across restarts",
        ),
      },
      ["in_module_bits"],
    ),
  ),
});

const checkedConfig = object({ file: text, good: flag, node: text, problems: list(text) }, [
  "node",
]);

const value = { oneOf: [number, list(number)] };
const figure = object(
  {
    last: value,
    min: value,
    max: value,
    mean: value,
    count: about(count, "values since the manager was told last"),
    age_ms: count,
    quality: oneOf("good", "stale", "out_of_range"),
  },
  ["last", "min", "max", "mean"],
);
const telemetry = object({
  t: time,
  modules: list(object({ module: text, figures: mapOf(figure) })),
});

const alarm = object(
  {
    alarm: about(text, "NAME.OBJECT: what --ack takes"),
    name: text,
    object: text,
    severity: oneOf("warning", "minor", "major", "critical"),
    active: flag,
    acknowledged: flag,
    acknowledged_by: text,
    flapping: flag,
    latched: flag,
    event_type: text,
    probable_cause: text,
    text,
    action: about(text, "what to do"),
    value: number,
    threshold: number,
    detail: text,
    raised: time,
    changed: time,
    count,
  },
  ["acknowledged_by", "value", "threshold", "detail"],
);

const event = object(
  {
    sequence: about(count, "in order, from the start of the node"),
    t: time,
    type: text,
    module: text,
    facts: { type: "object", additionalProperties: { type: ["string", "number", "boolean"] } },
  },
  ["module"],
);

const km = object(
  {
    name: text,
    up: flag,
    awaited: about(flag, "the KM connects, when it wants keys"),
    reason: text,
    where: text,
    transport: oneOf("tls", "https", "plain"),
    key_exchange: keyExchange,
  },
  ["key_exchange"],
);
const quality = object({
  framesReceived: count,
  framesSent: count,
  bytesReceived: count,
  bytesSent: count,
  framesBad: count,
  framesResent: count,
});
const links = object(
  {
    modules: list(
      object(
        {
          module: text,
          driver: text,
          where: text,
          up: flag,
          reason: text,
          protocol: text,
          quality: about(quality, "since the session with the module began"),
          kms: list(km),
        },
        ["protocol", "quality"],
      ),
    ),
    broker,
    server: about(
      object({ key_exchanges: list(text) }),
      "where KMs ask for keys: groups of the connections of now, or of the last; absent without [server]",
    ),
  },
  ["broker", "server"],
);

const acted = object(
  {
    command: text,
    status: oneOf("done", "failed", "not_supported"),
    reason: text,
    facts: about(mapOf(value), "what came of it, such as `blocks` decided about"),
    by: about(text, "who it was, as in the audit"),
    t: time,
  },
  ["reason", "facts"],
);

const slot = oneOf("a", "b");
const update = object(
  {
    node: about(text, "absent if it does not run"),
    version: about(text, "of the software that answers"),
    appliance: about(flag, "whether this machine is installed by images"),
    board: text,
    running: object({ slot, version: text }),
    other: object(
      { slot, version: about(text, "absent if not known"), good: about(flag, "can be started") },
      ["version"],
    ),
    next: about(slot, "what the next start takes"),
    trial: about(
      object({ until: time, left_s: count }),
      "the slot that runs is on trial: without it being good by then the machine goes back",
    ),
    under_way: object(
      {
        bundle: text,
        phase: oneOf("receiving", "fetching", "checking", "installing"),
        done: about(number, "part of the phase, 0 to 1"),
      },
      ["done"],
    ),
    last: about(
      object({ bundle: text, status: oneOf("installed", "refused"), reason: text, t: time }, [
        "reason",
      ]),
      "since the node's start",
    ),
  },
  ["node", "board", "running", "other", "next", "trial", "under_way", "last"],
);

const check = object(
  {
    id: text,
    title: text,
    status: oneOf("ok", "warn", "fail", "skip"),
    detail: about(text, "what was found"),
    advice: about(text, "what to do; only where it is not ok"),
  },
  ["advice"],
);

const identity = object({
  moduleId: text,
  matchingModuleId: text,
  role: oneOf("alice", "bob"),
  vendor: text,
  model: text,
  serial: text,
  firmware: text,
  protocol: text,
  maxBlockBytes: count,
});

const anything = { type: ["string", "null"] };

/** What a command prints with `--json`; where it goes on, each line. */
export const schemas: Readonly<Record<string, Schema>> = {
  status,
  keys,
  telemetry,
  alarms: {
    oneOf: [object({ alarms: list(alarm) }), object({ events: list(event) }), acted],
    description: "what is raised; with --history events; with --ack what became of it",
  },
  events: object({ events: list(event) }),
  links,
  certs: object({ certificates: list(certificate) }),
  config: {
    oneOf: [
      object(
        {
          file: text,
          digest: text,
          running: about(flag, "false: the file, since the node does not run"),
          table: about({ type: "object" }, "as written, without what may be a secret"),
        },
        ["digest"],
      ),
      checkedConfig,
      object({
        file: text,
        same: flag,
        changes: list(object({ key: text, running: anything, file: anything })),
      }),
    ],
    description: "show, check, diff",
  },
  "check-config": checkedConfig,
  doctor: object(
    {
      node: text,
      t: time,
      running: about(flag, "whether the node runs"),
      status: oneOf("ok", "warn", "fail"),
      first: about(text, "id of the first check that is not ok"),
      checks: list(check),
      supply: about(list(object({ name: text, health })), "as the running node says it"),
    },
    ["node", "first", "supply"],
  ),
  kept: object({
    modules: list(
      object({
        module: text,
        counts: about(keptBack, "all of it"),
        kept: list(
          object(
            {
              block: about(text, "EPOCH/NUMBER"),
              key_ID: text,
              why: oneOf("withheld", "quarantined", "damaged", "discarded", "other_km"),
              reason: about(text, "why it is withheld, a KM's reason, or the KM that it waits for"),
            },
            ["key_ID", "reason"],
          ),
        ),
      }),
    ),
  }),
  release: acted,
  discard: acted,
  withhold: acted,
  "free-km": acted,
  "accept-km": acted,
  "accept-module": acted,
  "clear-tamper": acted,
  update: { oneOf: [update, acted], description: "status; install: how it ended" },
  logs: object({ lines: list(text) }),
  "support-bundle": object({
    file: text,
    bytes: count,
    members: list(object({ name: text, bytes: count, sha256: text })),
  }),
  start: acted,
  stop: acted,
  "self-test": acted,
  zeroize: acted,
  probe: object(
    {
      where: text,
      driver: text,
      device: mapOf(text),
      answered_after_ms: count,
      identity,
      telemetry: mapOf(value),
      quality,
    },
    ["telemetry"],
  ),
};
