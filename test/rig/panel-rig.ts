/**
 * A whole link, with a chassis panel on Alice's node: an emulated controller on a socket, the panel
 * process, and a manager who may give commands. Times are taken in one process, at both ends of
 * everything: where the controller reports, where the KM has a key, where the module is told.
 */
import { join } from "node:path";
import mqtt from "mqtt";
import { newKeyPair, signCommand } from "../../scripts/manager.d/sign.ts";
import { systemClock } from "../../src/base/clock.ts";
import { level } from "../../src/ops/manager/topics.ts";
import type { Attachment } from "../emulator/panel/attachment.ts";
import { EmulatedController } from "../emulator/panel/controller.ts";
import { attachSocket } from "../emulator/panel/socket.ts";
import { seedSource } from "../emulator/source/seed.ts";
import { type Expected, eventually } from "../eventually.ts";
import { patience } from "../patience.ts";
import { PanelProcess } from "./panel-process.ts";
import { Rig, type RigOptions } from "./rig.ts";

export interface PanelRigOptions extends Partial<Omit<RigOptions, "extra">> {
  readonly onTamper: "stop" | "zeroize";
  /** More lines of `[panel]`. */
  readonly panel?: string;
  /** The panel process is not started. */
  readonly away?: boolean;
}

export interface Result {
  readonly status: string;
  readonly reason?: string;
}

interface NodeStatus {
  readonly boot: number;
  readonly panel?: Readonly<Record<string, unknown>>;
}

const limitMs = 55_000;

export class PanelRig {
  readonly rig: Rig;
  readonly controller: EmulatedController;
  readonly attachment: Attachment;
  readonly process: PanelProcess;
  /** When keys came to Alice's KM, by `performance.now()`. */
  readonly keys: number[] = [];
  /** When Alice's module was told to destroy its key. */
  readonly zeroized: number[] = [];
  readonly #noc;
  #counter = Date.now();
  readonly #deadline = patience(limitMs);

  private constructor(
    rig: Rig,
    controller: EmulatedController,
    attachment: Attachment,
    panel: PanelProcess,
    noc: { readonly id: string; readonly key: ReturnType<typeof newKeyPair>["key"] },
  ) {
    this.rig = rig;
    this.controller = controller;
    this.attachment = attachment;
    this.process = panel;
    this.#noc = noc;
    const { store } = rig.alice.km;
    const put = store.put.bind(store);
    store.put = (supply) => {
      this.keys.push(performance.now());
      return put(supply);
    };
    const { module } = rig.pair.alice;
    const zeroize = module.zeroize.bind(module);
    module.zeroize = () => {
      this.zeroized.push(performance.now());
      zeroize();
    };
  }

  static async with(
    { onTamper, panel = "", away = false, ...options }: PanelRigOptions,
    body: (bench: PanelRig) => Promise<void>,
  ): Promise<void> {
    const { key, publicKey } = newKeyPair();
    const rig = await Rig.start({
      source: seedSource({ seed: 7, blockBits: 1_024, clock: systemClock }),
      baud: 0,
      blockIntervalMs: 10,
      ...options,
      extra: (end, folder) =>
        end === "bob"
          ? ""
          : `
[[manager.command_key]]
id = "noc"
public_key = "${publicKey}"
commands = ["start", "zeroize", "clear_tamper", "acknowledge_alarm"]
[panel]
on_tamper = "${onTamper}"
socket = "${join(folder, "panel.sock")}"
${panel}
`,
    });
    await using opened = new AsyncDisposableStack();
    opened.defer(() => rig.close());
    let attachment: Attachment | undefined;
    const controller = new EmulatedController({
      clock: systemClock,
      send: (report) => attachment?.send(report),
    });
    opened.defer(() => controller.close());
    const attached = await attachSocket(join(rig.folder, "controller.sock"), (report) =>
      controller.receive(report),
    );
    attachment = attached;
    opened.defer(() => attached.close());
    const process = new PanelProcess(attachment.where, join(rig.folder, "panel.sock"));
    opened.defer(async () => {
      process.signal("SIGCONT");
      await process.stop("SIGKILL");
    });
    if (!away) process.start();
    await body(new PanelRig(rig, controller, attached, process, { id: "noc", key }));
  }

  /** What Alice's node published of itself last. */
  get status(): NodeStatus | undefined {
    return this.#last("status") as NodeStatus | undefined;
  }

  /** An alarm as it was published last; undefined: none, or cleared and gone. */
  alarm(id: string): Readonly<Record<string, unknown>> | undefined {
    return this.#last(`alarm/${level(id)}`);
  }

  events(type: string) {
    const all = [...this.rig.view.node("node-alice").events.values()];
    return all.filter((event) => event.type === type);
  }

  /** {@link eventually}, whose message has what the processes logged last. */
  until<T>(what: string, probe: () => T | Promise<T>, more: Expected<NoInfer<T>> = {}): Promise<T> {
    const about = () =>
      [...this.rig.alice.node.lines.slice(-25), ...this.process.lines.slice(-8)].join("\n");
    return eventually(what, probe, { about, ...more });
  }

  /** Resolves once keys come in, some more than there are now. */
  async flowing(what = "keys flow"): Promise<void> {
    const before = this.keys.length;
    await this.until(what, () => this.keys.length >= before + 5);
  }

  /**
   * What this machine takes now for a command to reach the node, be written down and be answered: the
   * longest of five times, in ms. What must be quick takes at most a few of it.
   */
  async roundTrip(): Promise<number> {
    let longest = 0;
    for (let i = 0; i < 5; i++) {
      const begun = performance.now();
      await this.command("acknowledge_alarm", { alarm: "none.such" });
      longest = Math.max(longest, performance.now() - begun);
    }
    return longest;
  }

  /** A command as the manager gives it. @returns its result */
  async command(name: string, args: object, boot = this.status?.boot): Promise<Result> {
    const id = `${name}-${++this.#counter}`;
    const message = signCommand(
      {
        command: name,
        node: "node-alice",
        args: { ...args },
        issued: Date.now(),
        counter: this.#counter,
        id,
        ...(boot !== undefined && { boot }),
      },
      this.#noc,
    );
    return this.publish(name, message, id);
  }

  /** Publishes to a command's topic. @returns the result with that ID, or any where there is none */
  async publish(name: string, message: string, id?: string): Promise<Result> {
    const { broker } = this.rig;
    const topic = `qkdn/v1/node-alice/cmd/${name}`;
    const client = await mqtt.connectAsync(`mqtt://127.0.0.1:${broker.port}`, {
      protocolVersion: 4,
    });
    try {
      await client.publishAsync(topic, message, { qos: 1 });
      const answer = await broker.published(({ topic: at, payload }) => {
        if (at !== `${topic}/result`) return false;
        return id === undefined || JSON.parse(payload.toString()).id === id;
      }, this.#deadline);
      return JSON.parse(answer.payload.toString());
    } finally {
      await client.endAsync(true);
    }
  }

  /** The module is initialised anew, as by its maker after it was zeroized. */
  initialise(): void {
    const { module } = this.rig.pair.alice;
    module.zeroized = false;
    module.running = true;
    this.rig.pair.alice.reset();
  }

  /** Kills Alice's node, and starts it again. */
  async restart(): Promise<void> {
    await this.rig.alice.node.stop("SIGKILL");
    this.rig.alice.node.start();
  }

  #last(name: string): Readonly<Record<string, unknown>> | undefined {
    const topic = `qkdn/v1/node-alice/${name}`;
    const message = this.rig.broker.messages.findLast((one) => one.topic === topic);
    if (message === undefined || message.payload.length === 0) return undefined;
    return JSON.parse(message.payload.toString());
  }
}
