/** The AsyncAPI 3 document, and the page of topics for people. */

import { softwareVersion } from "../../src/base/version.ts";
import { commands } from "../../src/node/commands/table.ts";
import { topicNames, topics } from "../../src/node/manager/topics.ts";
import type { CommandTable } from "../../src/ops/commands/table.ts";
import { schemas } from "./schemas.ts";

interface Channel {
  readonly address: string;
  readonly kind: keyof typeof topics | undefined;
  readonly schema: string;
  readonly summary: string;
}

const names = topicNames("{base}", "{node}");

export const channels: Readonly<Record<string, Channel>> = {
  status: {
    address: names.status,
    kind: "status",
    schema: "status",
    summary: "birth, goodbye and will",
  },
  inventory: {
    address: names.inventory,
    kind: "inventory",
    schema: "inventory",
    summary: "at each connection, and when a module is identified",
  },
  state: {
    address: names.state("{module}"),
    kind: "state",
    schema: "state",
    summary: "at each connection and each change",
  },
  telemetry: {
    address: names.telemetry("{module}"),
    kind: "telemetry",
    schema: "telemetry",
    summary: "every telemetry_interval_s; latest wins",
  },
  kq1: {
    address: names.kq1("{module}"),
    kind: "kq1",
    schema: "kq1",
    summary: "every telemetry_interval_s, and last when the node stops",
  },
  alarm: {
    address: names.alarm("{alarm}"),
    kind: "alarm",
    schema: "alarm",
    summary: "the alarm's state; empty once a cleared one was removed",
  },
  event: {
    address: names.event,
    kind: "event",
    schema: "event",
    summary: "alarm transitions and audit events, in order, from the durable outbox",
  },
  command: {
    address: names.command("{command}"),
    kind: undefined,
    schema: "command",
    summary: "a signed command, in; QoS 1, not retained",
  },
  result: {
    address: names.result("{command}"),
    kind: "result",
    schema: "result",
    summary: "its result, here or on the command's response topic, with its correlation data",
  },
};

const parameters: Readonly<Record<string, string>> = {
  base: "first levels of every topic, `qkdn/v1` unless configured otherwise; 1 to 3 levels",
  node: "the node's id, with `:` for `.`",
  module: "name of a module in the node's configuration, with `:` for `.`",
  alarm: "id of an alarm, with `:` for `.`: `qber_high:alice`",
  command: "name of a command",
};

function parametersOf(address: string) {
  const used = [...address.matchAll(/\{(\w+)\}/g)].map((match) => match[1] as string);
  return Object.fromEntries(used.map((name) => [name, { description: parameters[name] }]));
}

function contentType(name: string): string {
  return name === "command" ? "application/jose" : "application/json";
}

/** The document; schemas are beside it. */
export function asyncApi(): object {
  const entries = Object.entries(channels);
  return {
    asyncapi: "3.0.0",
    info: {
      title: "QKD node",
      version: softwareVersion,
      description:
        "What a QKD node tells its manager, and what it can be told, over MQTT 5 or 3.1.1 with the " +
        "same topics and payloads. Members may be added in later versions: ignore what you do not know.",
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
      entries.map(([name, { kind }]) => [
        kind === undefined ? `receive_${name}` : `send_${name}`,
        {
          action: kind === undefined ? "receive" : "send",
          channel: { $ref: `#/channels/${name}` },
          messages: [{ $ref: `#/channels/${name}/messages/${name}` }],
          bindings: {
            mqtt: {
              qos: kind === undefined ? 1 : topics[kind].qos,
              retain: kind === undefined ? false : topics[kind].retain,
              bindingVersion: "0.2.0",
            },
          },
          ...(name === "command" && { reply: { channel: { $ref: "#/channels/result" } } }),
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
            payload:
              name === "command"
                ? { type: "string", description: "JWS; what it signs is schemas/command.json" }
                : { $ref: `./schemas/${schema}.json` },
          },
        ]),
      ),
    },
  };
}

const graveNames = Object.entries(commands as CommandTable)
  .filter(([, { grave }]) => grave)
  .map(([name]) => `\`${name}\``)
  .join(", ");

function commandRows(): string[] {
  return Object.entries(commands).map(([name, { args, about }]) => {
    const names = Object.keys((args as { readonly entries?: object }).entries ?? {});
    return `| \`${name}\` | ${names.map((arg) => `\`${arg}\``).join(", ")} | ${about} |`;
  });
}

/** Markdown. */
export function page(): string {
  const rows = Object.values(channels).map(({ address, kind, schema, summary }) => {
    const qos = kind === undefined ? 1 : topics[kind].qos;
    const retained = kind !== undefined && topics[kind].retain ? "yes" : "no";
    const way = kind === undefined ? "to the node" : "from the node";
    const link = `[${schema}](schemas/${schema}.json)`;
    return `| \`${address}\` | ${way} | ${qos} | ${retained} | ${link} | ${summary} |`;
  });
  const members = Object.entries(schemas).map(([name, schema]) => {
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
  return `# The manager interface: topics and payloads

Made by \`scripts/contract\` from the code's own tables; [asyncapi.json](asyncapi.json) is the same for
programs. Every message of an end-to-end run is checked against it.

| topic | way | QoS | retained | payload | when |
|---|---|---|---|---|---|
${rows.join("\n")}

Payloads are JSON of at most 16 KiB; times are RFC 3339 in UTC. Members may be added in later
versions: ignore what you do not know. A \`?\` marks what may be absent.

${members.join("\n")}

## Commands

| command | arguments | what it does |
|---|---|---|
${commandRows().join("\n")}

A command that a node has no part for is refused as \`not_available\`; the node's inventory lists those
that it can carry out. What cannot be undone must name the boot counter: ${graveNames}.
`;
}
