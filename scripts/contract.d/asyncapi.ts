/** The AsyncAPI 3 document, and the page of topics for people. */

import { softwareVersion } from "../../src/base/version.ts";
import { commands as controllerCommands } from "../../src/controller/commands/table.ts";
import {
  topicNames as controllerTopicNames,
  topics as controllerTopics,
} from "../../src/controller/manager/topics.ts";
import { commands as kmCommands } from "../../src/km/commands/table.ts";
import { topicNames as kmTopicNames, topics as kmTopics } from "../../src/km/manager/topics.ts";
import type { Schema } from "../../src/node/cli/schema-parts.ts";
import { commands } from "../../src/node/commands/table.ts";
import { topicNames, topics } from "../../src/node/manager/topics.ts";
import type { CommandTable } from "../../src/ops/commands/table.ts";
import type { Topic } from "../../src/ops/mqtt/topic.ts";
import { controllerSchemas } from "./controller-schemas.ts";
import { kmSchemas } from "./km-schemas.ts";
import { schemas } from "./schemas.ts";

interface Channel {
  readonly address: string;
  /** How it is published; undefined: others publish to it. */
  readonly topic: Topic | undefined;
  readonly schema: string;
  readonly summary: string;
}

type Channels = Readonly<Record<string, Channel>>;

const common = {
  status: "birth, goodbye and will",
  alarm: "the alarm's state; empty once a cleared one was removed",
  event: "alarm transitions and audit events, in order, from the durable outbox",
  command: "a signed command, in; QoS 1, not retained",
  result: "its result, here or on the command's response topic, with its correlation data",
  telemetry: "every telemetry_interval_s; latest wins",
};

const names = topicNames("{base}", "{node}");

function channel(address: string, schema: string, topic: Topic | undefined, summary: string) {
  return { address, topic, schema, summary };
}

const nodeChannels: Channels = {
  status: channel(names.status, "status", topics.status, common.status),
  inventory: channel(
    names.inventory,
    "inventory",
    topics.inventory,
    "at each connection, and when a module is identified",
  ),
  state: channel(
    names.state("{module}"),
    "state",
    topics.state,
    "at each connection and each change",
  ),
  telemetry: channel(names.telemetry("{module}"), "telemetry", topics.telemetry, common.telemetry),
  kq1: channel(
    names.kq1("{module}"),
    "kq1",
    topics.kq1,
    "every telemetry_interval_s, and last when the node stops",
  ),
  alarm: channel(names.alarm("{alarm}"), "alarm", topics.alarm, common.alarm),
  event: channel(names.event, "event", topics.event, common.event),
  command: channel(names.command("{command}"), "command", undefined, common.command),
  result: channel(names.result("{command}"), "result", topics.result, common.result),
};

const ofKm = kmTopicNames("{base}", "{km}");

const kmChannels: Channels = {
  km_status: channel(ofKm.status, "km_status", kmTopics.status, common.status),
  km_inventory: channel(ofKm.inventory, "km_inventory", kmTopics.inventory, "at each connection"),
  km_telemetry: channel(ofKm.telemetry, "km_telemetry", kmTopics.telemetry, common.telemetry),
  km_link: channel(
    ofKm.link("{link}"),
    "km_link",
    kmTopics.link,
    "at each connection and each change of the session; with newer marks every telemetry_interval_s",
  ),
  km_link_telemetry: channel(
    ofKm.linkTelemetry("{link}"),
    "km_link_telemetry",
    kmTopics.link_telemetry,
    common.telemetry,
  ),
  km_module: channel(ofKm.module("{module}"), "km_module", kmTopics.module, "at each connection"),
  km_module_telemetry: channel(
    ofKm.moduleTelemetry("{module}"),
    "km_module_telemetry",
    kmTopics.module_telemetry,
    common.telemetry,
  ),
  km_alarm: channel(ofKm.alarm("{alarm}"), "km_alarm", kmTopics.alarm, common.alarm),
  km_event: channel(ofKm.event, "km_event", kmTopics.event, common.event),
  km_record: channel(
    ofKm.record,
    "km_record",
    kmTopics.record,
    "with records.export: records of the life of keys, in order",
  ),
  km_command: channel(ofKm.command("{command}"), "km_command", undefined, common.command),
  km_result: channel(ofKm.result("{command}"), "km_result", kmTopics.result, common.result),
};

const ofController = controllerTopicNames("{base}", "{controller}");

function controllerChannel(
  name: keyof typeof controllerTopics,
  address: string,
  summary: string,
): Channels {
  const full = `controller_${name}`;
  return { [full]: channel(address, full, controllerTopics[name], summary) };
}

const controllerChannels: Channels = {
  ...controllerChannel("status", ofController.status, common.status),
  ...controllerChannel("inventory", ofController.inventory, "at each connection"),
  ...controllerChannel("network", ofController.network, "at each connection and each change"),
  ...controllerChannel("link", ofController.link("{pair}"), "at each connection and each change"),
  ...controllerChannel("telemetry", ofController.telemetry, common.telemetry),
  ...controllerChannel("alarm", ofController.alarm("{alarm}"), common.alarm),
  ...controllerChannel("event", ofController.event, common.event),
  controller_command: channel(
    ofController.command("{command}"),
    "controller_command",
    undefined,
    common.command,
  ),
  ...controllerChannel("result", ofController.result("{command}"), common.result),
};

export const channels: Channels = { ...nodeChannels, ...kmChannels, ...controllerChannels };

const parameters: Readonly<Record<string, string>> = {
  base: "first levels of every topic, `qkdn/v1` unless configured otherwise; 1 to 3 levels",
  node: "the node's id, with `:` for `.`",
  km: "the key manager's id, with `:` for `.`",
  controller: "the controller's id, with `:` for `.`",
  pair: "link of two key managers, `KM1--KM2`, the smaller ID first, with `:` for `.`",
  module: "name of a module in the node's or key manager's configuration, with `:` for `.`",
  link: "name of a link in the key manager's configuration, with `:` for `.`",
  alarm: "id of an alarm, with `:` for `.`: `qber_high:alice`",
  command: "name of a command",
};

function parametersOf(address: string) {
  const used = [...address.matchAll(/\{(\w+)\}/g)].map((match) => match[1] as string);
  return Object.fromEntries(used.map((name) => [name, { description: parameters[name] }]));
}

function isCommand(name: string): boolean {
  return channels[name]?.topic === undefined;
}

function contentType(name: string): string {
  return isCommand(name) ? "application/jose" : "application/json";
}

/** The document; schemas are beside it. */
export function asyncApi(): object {
  const entries = Object.entries(channels);
  return {
    asyncapi: "3.0.0",
    info: {
      title: "QKD node, key manager and controller",
      version: softwareVersion,
      description:
        "What QKD nodes, key managers and QKDN controllers tell their manager, and what they can be told, over MQTT 5 or " +
        "3.1.1 with the same topics and payloads. Members may be added in later versions: ignore what you do not know.",
    },
    defaultContentType: "application/json",
    channels: Object.fromEntries(
      entries.map(([name, { address, summary }]) => [
        name,
        {
          address,
          description: summary,
          parameters: parametersOf(address),
          messages: { [name]: { $ref: `#/components/messages/${name}` } },
        },
      ]),
    ),
    operations: Object.fromEntries(
      entries.map(([name, { topic }]) => [
        topic === undefined ? `receive_${name}` : `send_${name}`,
        {
          action: topic === undefined ? "receive" : "send",
          channel: { $ref: `#/channels/${name}` },
          messages: [{ $ref: `#/channels/${name}/messages/${name}` }],
          bindings: {
            mqtt: {
              qos: topic?.qos ?? 1,
              retain: topic?.retain ?? false,
              bindingVersion: "0.2.0",
            },
          },
          ...(isCommand(name) && {
            reply: { channel: { $ref: `#/channels/${name.replace("command", "result")}` } },
          }),
        },
      ]),
    ),
    components: {
      messages: Object.fromEntries(
        entries.map(([name, { schema, summary }]) => [
          name,
          {
            name,
            summary,
            contentType: contentType(name),
            payload: isCommand(name)
              ? { type: "string", description: `JWS; what it signs is schemas/${schema}.json` }
              : { $ref: `./schemas/${schema}.json` },
          },
        ]),
      ),
    },
  };
}

/** What must name the boot counter. */
function gravesOf(table: CommandTable): string {
  return Object.entries(table)
    .flatMap(([name, { grave, graveWith }]) => {
      if (grave) return [`\`${name}\``];
      return graveWith === undefined ? [] : [`\`${name}\` with \`${graveWith}\``];
    })
    .join(", ");
}

function commandTable(table: CommandTable): string {
  const rows = Object.entries(table).map(([name, { args, about }]) => {
    const names = Object.keys((args as { readonly entries?: object }).entries ?? {});
    return `| \`${name}\` | ${names.map((arg) => `\`${arg}\``).join(", ")} | ${about} |`;
  });
  return ["| command | arguments | what it does |", "|---|---|---|", ...rows].join("\n");
}

function topicTable(of: Channels, called: string): string {
  const rows = Object.values(of).map(({ address, topic, schema, summary }) => {
    const retained = topic?.retain ? "yes" : "no";
    const way = topic === undefined ? `to the ${called}` : `from the ${called}`;
    const link = `[${schema}](schemas/${schema}.json)`;
    return `| \`${address}\` | ${way} | ${topic?.qos ?? 1} | ${retained} | ${link} | ${summary} |`;
  });
  const head = "| topic | way | QoS | retained | payload | when |";
  return [head, "|---|---|---|---|---|---|", ...rows].join("\n");
}

function memberList(of: Readonly<Record<string, Schema>>): string {
  const members = Object.entries(of).map(([name, schema]) => {
    const {
      description,
      properties = {},
      required = [],
    } = schema as {
      description?: string;
      properties?: Record<string, { description?: string }>;
      required?: readonly string[];
    };
    const list = Object.keys(properties)
      .map((member) => `\`${member}\`${required.includes(member) ? "" : "?"}`)
      .join(", ");
    return `- **${name}**: ${description ?? ""} ${list}`.trimEnd();
  });
  return members.join("\n");
}

/** Markdown. */
export function page(): string {
  return `# The manager interface: topics and payloads

Made by \`scripts/contract\` from the code's own tables; [asyncapi.json](asyncapi.json) is the same for
programs. Every message of an end-to-end run is checked against it. [Nodes](#nodes) are what \`qkd-node\` is,
[key managers](#key-managers) what \`qkd-km\` is, [controllers](#controllers) what \`qkd-controller\` is. [ck.proto](ck.proto) beside them is another interface: Ck, between key
manager and QKDN controller, [over gRPC](../src/wire/ck/README.md).

Payloads are JSON of at most 16 KiB; times are RFC 3339 in UTC. Members may be added in later
versions: ignore what you do not know. A \`?\` marks what may be absent.

## Nodes

${topicTable(nodeChannels, "node")}

${memberList(schemas)}

## Commands

${commandTable(commands)}

A command that a node has no part for is refused as \`not_available\`; the node's inventory lists those
that it can carry out. What cannot be undone must name the boot counter: ${gravesOf(commands)}.

## Key managers

What a manager can rely on is in [the README](../src/km/manager/README.md) of this part of the key manager.

${topicTable(kmChannels, "key manager")}

${memberList(kmSchemas)}

## Commands to key managers

${commandTable(kmCommands)}

What is signed names the key manager in \`km\`, where a node's command has \`node\`. What cannot be undone must
name the boot counter: ${gravesOf(kmCommands)}.

## Controllers

What a manager can rely on is in [the README](../src/controller/manager/README.md) of this part of the controller.

${topicTable(controllerChannels, "controller")}

${memberList(controllerSchemas)}

## Commands to controllers

${commandTable(controllerCommands)}

What is signed names the controller in \`controller\`, where a node's command has \`node\`.
`;
}
