/** What came for a controller's manager, each message checked against the contract. */
import mqtt, { type MqttClient } from "mqtt";
import { eventually } from "../eventually.ts";
import { Contract } from "./contract.ts";

type Json = Readonly<Record<string, unknown>>;

interface Seen {
  /** Below the controller's own topics. */
  readonly topic: string;
  /** undefined: a retained message was removed. */
  readonly payload: Json | undefined;
}

export class ControllerWatcher implements AsyncDisposable {
  readonly problems: string[] = [];
  readonly channels = new Set<string>();
  readonly #controller: string;
  readonly #client: MqttClient;
  readonly #contract = Contract.load();
  readonly #seen: Seen[] = [];

  private constructor(controller: string, client: MqttClient) {
    this.#controller = controller;
    this.#client = client;
  }

  /** @param url of a broker, MQTT 5 */
  static async at(url: string, controller: string): Promise<ControllerWatcher> {
    const client = await mqtt.connectAsync(url, { protocolVersion: 5 });
    const watcher = new ControllerWatcher(controller, client);
    client.on("error", () => {});
    client.on("message", (topic, payload, { qos, retain }) =>
      watcher.#take({ topic, payload, qos, retain }),
    );
    await client.subscribeAsync("qkdn/v1/controller/#", { qos: 1, rap: true });
    return watcher;
  }

  of(topic: string): readonly Seen[] {
    return this.#seen.filter((one) => one.topic === topic);
  }

  /** What was told last on a topic. */
  last(topic: string): Json | undefined {
    return this.of(topic).at(-1)?.payload;
  }

  /** Sends a command. @returns what became of it */
  async send(command: string, jws: string): Promise<Json> {
    const topic = `cmd/${command}/result`;
    const before = this.of(topic).length;
    const to = `qkdn/v1/controller/${this.#controller}/cmd/${command}`;
    await this.#client.publishAsync(to, jws, { qos: 1 });
    const after = await eventually(`a result of ${command}`, () => this.of(topic), {
      when: ({ length }) => length > before,
    });
    return after.at(-1)?.payload ?? {};
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#client.endAsync(true);
  }

  #take(message: Parameters<Contract["check"]>[0]): void {
    const { channel, problems } = this.#contract.check(message);
    this.channels.add(channel);
    this.problems.push(...problems.map((problem) => `${message.topic}: ${problem}`));
    const topic = message.topic.slice(`qkdn/v1/controller/${this.#controller}/`.length);
    if (/^cmd\/[^/]+$/.test(topic)) return;
    const text = message.payload.toString();
    this.#seen.push({ topic, payload: text === "" ? undefined : (JSON.parse(text) as Json) });
  }
}
