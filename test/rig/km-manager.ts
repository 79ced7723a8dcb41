/** Two key managers that report to a broker, and what a manager gets to see of them. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import mqtt, { type MqttClient } from "mqtt";
import { newKeyPair, type SigningKey, signCommand } from "../../scripts/manager.d/sign.ts";
import { systemClock } from "../../src/base/clock.ts";
import type { PublishedMessage } from "../emulator/broker.ts";
import { seedSource } from "../emulator/source/seed.ts";
import type { BlockSource } from "../emulator/source/source.ts";
import { eventually } from "../eventually.ts";
import { Contract } from "./contract.ts";
import { type KmEnd, KmPair } from "./km-pair.ts";
import { Rig } from "./rig.ts";
import { deadline } from "./with-rig.ts";

type Json = Readonly<Record<string, unknown>>;

/** A message with what is in it. */
export interface Seen {
  readonly km: string;
  /** Below the key manager's own topics. */
  readonly topic: string;
  readonly payload: Json | undefined;
  readonly retain: boolean;
}

export interface ManagedPairOptions {
  readonly url: string;
  readonly protocol: 4 | 5;
  /** More of `[manager]`, TOML. */
  readonly manager?: string;
}

/** What came for the key managers, each message checked against the contract. */
export class KmWatcher {
  readonly seen: Seen[] = [];
  readonly problems: string[] = [];
  readonly channels = new Set<string>();
  readonly #contract = Contract.load();

  take(message: PublishedMessage): void {
    const [, km, topic] = /^qkdn\/v1\/km\/([^/]+)\/(.*)$/.exec(message.topic) ?? [];
    if (km === undefined || topic === undefined) return;
    const { channel, problems } = this.#contract.check(message);
    this.channels.add(channel);
    this.problems.push(...problems.map((problem) => `${message.topic}: ${problem}`));
    if (/^cmd\/[^/]+$/.test(topic)) return;
    const text = message.payload.toString();
    const payload = text === "" ? undefined : (JSON.parse(text) as Json);
    this.seen.push({ km, topic, payload, retain: message.retain });
  }

  of(km: string, topic: string): Seen[] {
    return this.seen.filter((one) => one.km === km && one.topic === topic);
  }

  /** What was told last on a topic; undefined: nothing, or it was removed. */
  last(km: string, topic: string): Json | undefined {
    return this.of(km, topic).at(-1)?.payload;
  }

  events(km: string): Json[] {
    return this.of(km, "event").flatMap(({ payload }) => (payload === undefined ? [] : [payload]));
  }

  /** All records in the order of their coming, repeats too. */
  records(
    km: string,
  ): { readonly number: number; readonly kind: string; readonly part?: number }[] {
    return this.of(km, "record").flatMap(({ payload }) => (payload?.records ?? []) as never[]);
  }
}

/** Two key managers with a manager's key, not started yet. */
export class ManagedPair implements AsyncDisposable {
  readonly kms: KmPair;
  readonly noc: SigningKey;
  readonly #folder: string;

  private constructor(kms: KmPair, noc: SigningKey, folder: string) {
    this.kms = kms;
    this.noc = noc;
    this.#folder = folder;
  }

  static async make({ url, protocol, manager = "" }: ManagedPairOptions): Promise<ManagedPair> {
    const folder = await mkdtemp(join(tmpdir(), "qkd-km-manager-"));
    const { key, publicKey } = newKeyPair();
    const tables = (_end: KmEnd) => `
[records]
export = true

[alarms]
peer_away_s = 1

[manager]
url = "${url}"
protocol = ${protocol}
telemetry_interval_s = 0.2
${manager}
[[manager.command_key]]
id = "noc"
public_key = "${publicKey}"
commands = ["acknowledge_alarm", "compromise", "support_bundle"]
`;
    const kms = await KmPair.make({ folder, modules: ["QKD-A-0001", "QKD-B-0001"], tables });
    return new ManagedPair(kms, { id: "noc", key }, folder);
  }

  start(): Promise<void> {
    return this.kms.start(deadline());
  }

  /** Keys of so many blocks, of 8,192 bits each, come at both ends, and are matched. */
  async feed(
    blocks: number,
    source: BlockSource = seedSource({ seed: 5, blockBits: 8_192, blocks, clock: systemClock }),
  ): Promise<void> {
    const { alice, bob } = this.kms;
    const before = await alice.status();
    const matched = (before.links[0]?.matched_bits ?? 0) + blocks * 8_192;
    const rig = await Rig.start({
      source,
      baud: 0,
      keyBits: 256,
      kmAt: { alice: alice.at, bob: bob.at },
    });
    try {
      await eventually(`${blocks} blocks are matched`, () => alice.status(), {
        when: ({ links: [link] }) => link?.matched_bits === matched,
      });
    } finally {
      await rig.close();
    }
  }

  sign(km: string, command: string, args: Json, more: { boot?: number; id?: string } = {}): string {
    return signCommand({ command, km, args, issued: Date.now(), ...more }, this.noc);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kms.stop();
    await rm(this.#folder, { recursive: true });
  }
}

/** A manager's own connection to a broker, for brokers in processes of their own. */
export async function managerAt(url: string, watcher: KmWatcher): Promise<MqttClient> {
  const client = await mqtt.connectAsync(url, { protocolVersion: 5, reconnectPeriod: 100 });
  client.on("error", () => {});
  client.on("message", (topic, payload, { qos, retain }) => {
    watcher.take({ topic, payload, qos, retain });
  });
  const options = { qos: 1, rap: true } as const;
  client.on("connect", () => client.subscribe("qkdn/v1/#", options));
  await client.subscribeAsync("qkdn/v1/#", options);
  return client;
}
