/** JSON Schema of `status`, and the parts of it that other answers have as well. Pure. */
import { verdictCodes } from "../alarms/verdict.ts";
import { about, count, flag, list, number, object, oneOf, text, time } from "./schema-parts.ts";

const upDown = oneOf("UP", "DOWN");
export const keptBack = list(
  object({
    why: about(text, "such as withheld.ledger_repaired, quarantined, other_km"),
    count: about(count, "blocks; keys in quarantine"),
    text,
    waits: about(flag, "for an operator's decision"),
    command: about(text, "what to type"),
  }),
);
export const health = object({
  level: oneOf("good", "waiting", "attention", "bad"),
  verdict: oneOf(...verdictCodes),
  ready: about(flag, "keys arrive at the KM, or would as soon as there are some"),
  text: about(text, "the reason in words"),
  action: about(text, "what to do; empty if there is nothing"),
  since: time,
});
const module = object(
  {
    name: text,
    state: oneOf("OPERATING", "DOWN", "FAILURE", "OUT"),
    link: about(
      oneOf("ACTIVE", "PASSIVE", "OFF"),
      "OFF: no module or no light; PASSIVE: told to stop",
    ),
    km: upDown,
    reason: about(text, "why something is not as it should be; empty if all is well"),
    since: time,
    driver: text,
    where: about(text, "device path or address"),
    module_id: text,
    matching_module_id: text,
    role: oneOf("alice", "bob"),
    vendor: text,
    model: text,
    serial: text,
    firmware: text,
    key_exchange: about(text, "groups of TLS's key exchanges with the KMs that are connected"),
    kms: about(text, "names of its KMs, in order"),
    qber: about(number, "ratio, the last one"),
    secret_key_rate: about(number, "bit/s, the last one"),
    health: about(health, "the verdict on its supply"),
    kept_back: about(keptBack, "from the KM, now"),
    keys: object({
      supplied: about(count, "what was refused for good or taken back is among them"),
      confirmed: count,
      bits: about(count, "confirmed"),
      in_flight: count,
      withheld: about(count, "blocks"),
      quarantined: count,
    }),
  },
  [
    ...["module_id", "matching_module_id", "role", "vendor", "model", "serial", "firmware"],
    ...["qber", "secret_key_rate", "key_exchange"],
  ],
);

export const keyExchange = about(text, "group of TLS's key exchange, such as X25519MLKEM768");
export const broker = object(
  {
    url: text,
    up: flag,
    reason: text,
    waiting: about(count, "events"),
    key_exchange: keyExchange,
  },
  ["key_exchange"],
);
const severities = { critical: count, major: count, minor: count, warning: count };

const panel = object(
  {
    presence: about(oneOf("ok", "lost", "none"), "none: not configured any more"),
    reason: about(text, "why it is lost"),
    tamper: about(oneOf("none", "seen", "latched"), "latched: on disk; see clear-tamper"),
    contacts: about(list(count), "that opened, from 0; none: it could not have noticed"),
    tampered_at: time,
    maintenance: about(flag, "the key switch is at maintenance"),
    zeroize: about(oneOf("none", "pending", "done", "failed"), "of all modules, by the panel"),
    halted: about(flag, "no key leaves the node"),
    halted_because: text,
    serial: text,
    firmware: text,
    lamps: about(
      object({ supply: oneOf("green", "amber"), alarm: oneOf("off", "amber", "red") }),
      "what they are told to show",
    ),
  },
  ["reason", "contacts", "tampered_at", "halted_because", "serial", "firmware"],
);

export const status = object(
  {
    node: text,
    version: text,
    boot: about(count, "starts of the node on its state"),
    pid: count,
    t: time,
    started: time,
    uptime_s: count,
    rss_bytes: count,
    config: object({ file: text, digest: text, state_dir: text }),
    site: about(
      object(
        {
          serial: count,
          signed_by: text,
          provisioned: text,
          not_taken: about(
            object({ serial: count, why: text }, ["serial"]),
            "the last one that came, if it was on trial and gone back from",
          ),
        },
        ["signed_by", "not_taken"],
      ),
      "an appliance's configuration; provisioned: signed or unsigned",
    ),
    image: about(
      object({ version: text, development: flag }),
      "an appliance's image; development: signed by keys that are not a vendor's",
    ),
    modules: list(module),
    kq2: about(
      list(
        object({
          km: text,
          state: oneOf("up", "down", "refused", "not_offered"),
          reason: about(text, "why it is not up; empty if it is"),
        }),
      ),
      "whether KMs are told how modules are; none of those with kq2 = off or plain",
    ),
    broker: about(broker, "absent without [manager]"),
    panel: about(panel, "the chassis panel; absent without [panel]"),
    alarms: about(object(severities), "raised, by severity"),
  },
  ["site", "image", "broker", "panel"],
);
