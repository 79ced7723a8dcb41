/** JSON Schemas of what controllers tell, made from the tables that the code itself uses. */

import { alarmNames, kindOf } from "../../src/controller/alarms/catalogue.ts";
import { commandNames } from "../../src/controller/commands/table.ts";
import {
  changeKinds,
  linkStates,
  services,
  verdictCodes,
  verdictLevels,
} from "../../src/controller/model/status.ts";
import { about, count, number, oneOf, type Schema, text } from "../../src/node/cli/schema-parts.ts";
import {
  alarmState,
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

const boot = bootOf("controller");
const head = eventHead("controller");
const facts = { controller: topicLevel, boot, version: text };
const mode = about(
  oneOf("centralized", "distributed"),
  "how routes are given: the whole route at once, or each key manager asks for its next hop",
);

const status = birthOf("controller", facts);

const inventory = object("What the controller is, and what it can be told.", {
  ...facts,
  configuration_digest: about(text, "tells configurations apart"),
  mode,
  commands: commandsOf(commandNames),
});

const network = object("The network as a whole.", {
  boot,
  role: about(oneOf("active", "standby"), "standby: another controller leads"),
  mode,
  verdict: object("Its one headline.", {
    level: oneOf(...verdictLevels),
    code: about(oneOf(...verdictCodes), "stable, for programs"),
  }),
  nodes: count,
  links: count,
  pairs: about(count, "of key managers between which keys are relayed"),
  nodes_attached: about(count, "nodes whose key manager is connected over Ck"),
  links_bad: about(count, "links that take no new relay"),
  links_scarce: about(count, "links that are rationed"),
  pairs_without_route: count,
});

const link = object("What routing makes of a link. Its figures are told by its key managers.", {
  boot: about(
    boot,
    "of the controller; one that is not that of its status is of an earlier run, and of no link now",
  ),
  a: about(text, "KM ID of one end, the smaller one"),
  b: about(text, "KM ID of the other end"),
  service: about(oneOf(...services), "IMDA RS QKDN §7.2; what it is now, with what stands in"),
  state: about(
    oneOf(...linkStates),
    "bad: it takes no new relay; scarce: it is rationed, or has little key or none",
  ),
  reason: about(text, "why it is not good; empty if it is"),
});

const telemetry = object("Figures of all pairs together.", {
  boot,
  t: time,
  uptime_s: about(count, "s since the process began"),
  open_sessions: about(count, "of applications (Q.4164)"),
  relays: about(count, "that key managers told of, also those that they wanted themselves"),
  failed_relays: about(count, "of these"),
  demand: about(number, "what pairs want, bit/s"),
  share: about(number, "what their routes carry at the most, bit/s"),
  ...ownFigures,
});

const event = eventOf(
  "controller",
  alarmNames,
  kindOf,
  object("The controller's mind changed.", {
    ...head,
    type: oneOf("network_changed"),
    facts: object(
      "What changed, and why.",
      {
        kind: oneOf(...changeKinds),
        object: about(text, "the link, pair, node or session"),
        text: about(text, "one sentence"),
        after_ms: about(count, "from the event that caused it to the new state, ms"),
      },
      ["after_ms"],
    ),
  }),
);

/** By name; the file is `schemas/NAME.json`. */
export const controllerSchemas: Readonly<Record<string, Schema>> = {
  controller_status: status,
  controller_inventory: inventory,
  controller_network: network,
  controller_link: link,
  controller_telemetry: telemetry,
  controller_alarm: alarmState(alarmNames, kindOf, "controller"),
  controller_event: event,
  controller_command: signed("controller", commandNames, "the start it is for"),
  controller_result: resultOf("controller"),
};
