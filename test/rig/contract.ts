/** The contract as it is shipped, for checking what is really published. */
import { readFileSync } from "node:fs";
import type { PublishedMessage } from "../emulator/broker.ts";
import { check } from "./json-schema.ts";

const folder = new URL("../../contract/", import.meta.url);

interface Document {
  readonly channels: Readonly<Record<string, { readonly address: string }>>;
  readonly operations: Readonly<
    Record<
      string,
      {
        readonly action: "send" | "receive";
        readonly channel: { readonly $ref: string };
        readonly bindings: { readonly mqtt: { readonly qos: number; readonly retain: boolean } };
      }
    >
  >;
  readonly components: {
    readonly messages: Readonly<Record<string, { readonly payload: { readonly $ref: string } }>>;
  };
}

export class Contract {
  readonly document: Document;
  readonly #schemas = new Map<string, object>();

  private constructor(document: Document) {
    this.document = document;
  }

  static load(): Contract {
    return new Contract(JSON.parse(readFileSync(new URL("asyncapi.json", folder), "utf8")));
  }

  #schema(file: string): Readonly<Record<string, unknown>> {
    const schema =
      this.#schemas.get(file) ?? JSON.parse(readFileSync(new URL(file, folder), "utf8"));
    this.#schemas.set(file, schema);
    return schema;
  }

  /** Channels that a node publishes to. */
  get published(): readonly string[] {
    return Object.values(this.document.operations)
      .filter(({ action }) => action === "send")
      .map(({ channel }) => channel.$ref.replace("#/channels/", ""));
  }

  /** The channel of a message, and what is wrong with it. */
  check(message: PublishedMessage): {
    readonly channel: string;
    readonly problems: readonly string[];
  } {
    const { channels, operations, components } = this.document;
    const fitting = Object.entries(channels).filter(([, { address }]) => {
      const pattern = address.replace("{base}", "qkdn/v1").replace(/\{\w+\}/g, "[^/]+");
      return new RegExp(`^${pattern}$`).test(message.topic);
    });
    const [found] = fitting;
    if (found === undefined || fitting.length > 1)
      return { channel: "none", problems: ["no channel"] };
    const [channel] = found;
    const operation = operations[`send_${channel}`];
    if (operation === undefined) return { channel, problems: [] };
    const { qos, retain } = operation.bindings.mqtt;
    const problems: string[] = [];
    if (message.qos !== qos) problems.push(`QoS ${message.qos}`);
    // A broker passes a will on as it was given; everything else as it was sent.
    if (message.retain !== retain) problems.push(`retain ${message.retain}`);
    if (message.payload.length > 16_384) problems.push("longer than 16 KiB");
    const removed =
      /^((km_|controller_)?alarm|controller_link)$/.test(channel) && message.payload.length === 0;
    if (!removed) {
      const value: unknown = JSON.parse(message.payload.toString("utf8"));
      const file = components.messages[channel]?.payload.$ref as string;
      problems.push(...check(value, this.#schema(file), channel));
    }
    return { channel, problems };
  }
}
