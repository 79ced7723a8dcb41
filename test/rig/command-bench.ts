/** A command desk with a module that writes down what it is told, and two managers with keys. */
import {
  type Draft,
  newKeyPair,
  type SigningKey,
  signCommand,
} from "../../scripts/manager.d/sign.ts";
import { Fault } from "../../src/base/errors.ts";
import { silentLog } from "../../src/base/log.ts";
import { available, type ControlPorts, execute } from "../../src/node/commands/executor.ts";
import { commands } from "../../src/node/commands/table.ts";
import type { NodeEvent } from "../../src/node/model/manager.ts";
import { CommandHandler } from "../../src/ops/commands/handler.ts";
import { publicKey } from "../../src/ops/commands/jws.ts";
import { CommandMemory, type KeyMemory } from "../../src/ops/commands/memory.ts";
import { ManualClock } from "../clock.ts";

export interface Reply {
  readonly status: string;
  readonly reason?: string;
  readonly earlier?: string;
  readonly id?: string;
  readonly command: string;
}

export class CommandBench {
  readonly clock = new ManualClock();
  readonly events: NodeEvent[] = [];
  readonly replies: Reply[] = [];
  readonly executed: string[] = [];
  readonly intruders: string[] = [];
  saved: Record<string, KeyMemory> = {};
  saves = 0;
  /** As in `StateStore`: what goes with the next write of anything. */
  unsaved: Record<string, KeyMemory> = {};
  /** The chassis is open. */
  contactOpen = false;
  /** The disk fails. */
  diskFull = false;
  /** What the module says to each command; undefined: done. */
  answer: (() => Promise<void>) | undefined;
  readonly noc: SigningKey;
  readonly field: SigningKey;
  readonly #publicKeys: ReadonlyMap<string, string>;
  desk: CommandHandler<typeof commands>;
  /** Ports that not every node has; for the next {@link restart}. */
  more: Partial<ControlPorts> = {};
  #counter = 0;

  constructor() {
    const [noc, field] = [newKeyPair(), newKeyPair()];
    this.noc = { id: "noc", key: noc.key };
    this.field = { id: "field", key: field.key };
    this.#publicKeys = new Map([
      ["noc", noc.publicKey],
      ["field", field.publicKey],
    ]);
    this.desk = this.restart(1);
  }

  /** A new process on what was saved. */
  restart(boot: number, incarnation = "00112233aabbccdd"): CommandHandler<typeof commands> {
    const allowed: Readonly<Record<string, string[]>> = {
      noc: [
        "start",
        "stop",
        "set_key_rate",
        "set_threshold",
        "acknowledge_alarm",
        "zeroize",
        "clear_tamper",
        "release_quarantine",
        "discard_quarantine",
        "withhold",
        "free_km",
        "accept_km",
        "accept_module",
        "reload_certificates",
        "support_bundle",
        "install_update",
      ],
      field: ["self_test"],
    };
    const keys = [...this.#publicKeys].map(([id, x]) => {
      return [id, { id, key: publicKey(x), commands: allowed[id] ?? [] }] as const;
    });
    const ports: ControlPorts = {
      ...this.more,
      module: (name) =>
        name !== "alice"
          ? undefined
          : {
              command: async (command) => {
                this.executed.push(JSON.stringify(command));
                await this.answer?.();
              },
            },
      acknowledge: (alarm, by) => {
        this.executed.push(`acknowledge ${alarm} ${by}`);
        return alarm === "none" ? "unknown_alarm" : undefined;
      },
      setThreshold: async (module, name, value) => {
        this.executed.push(`threshold ${module} ${name} ${value}`);
      },
      zeroized: (module) => this.executed.push(`zeroized ${module}`),
      clearTamper: async (by) => {
        this.executed.push(`clear_tamper ${by}`);
        return this.contactOpen ? "contact_open" : undefined;
      },
    };
    this.desk = new CommandHandler({
      authority: {
        table: commands,
        available: available(ports),
        subject: { is: "node", id: "node-a" },
        boot,
        incarnation,
        keys: new Map(keys),
        memory: new CommandMemory(this.saved),
      },
      execute: (order, by) => execute(order, by, ports),
      save: async (commands) => {
        this.saves++;
        this.unsaved = commands;
        if (this.diskFull) throw new Fault("state.io", "full");
        this.saved = commands;
      },
      onEvent: (event) => this.events.push(event),
      onIntruder: (reason) => this.intruders.push(reason),
      clock: this.clock,
      log: silentLog,
    });
    return this.desk;
  }

  sign(draft: Partial<Draft> = {}, key = this.noc): string {
    return signCommand(
      {
        command: "start",
        node: "node-a",
        args: { module: "alice" },
        issued: this.clock.wall(),
        counter: ++this.#counter,
        ...draft,
      },
      key,
    );
  }

  /** Gives a message to the desk. @returns its reply, if there was one */
  async submit(
    message: string | Buffer,
    command = "start",
    retained = false,
  ): Promise<Reply | undefined> {
    const before = this.replies.length;
    this.desk.submit({ command, payload: Buffer.from(message), retained }, (reply) =>
      this.replies.push(reply as Reply),
    );
    await this.desk.settled();
    return this.replies[before];
  }
}
