/**
 * Where commands come in: checked at once, recorded on disk, then carried out one after the other.
 * A command that was recorded is never carried out again, also when the node dies right then: at most
 * once; a repeat is answered that it was interrupted.
 */

import { type Allowance, Bucket } from "../../base/bucket.ts";
import { type Clock, clockProblem, within } from "../../base/clock.ts";
import { Fault } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import type { NodeEvent } from "../events/event.ts";
import {
  type Accepted,
  type Authority,
  judge,
  type Refused,
  unauthenticated,
} from "./authority.ts";
import type { CommandMemory, KeyMemory } from "./memory.ts";
import type { CommandMessage, CommandPort, Outcome } from "./port.ts";
import type { CommandTable, OrderOf } from "./table.ts";

export interface DeskOptions<Table extends CommandTable> {
  readonly authority: Authority<Table>;
  /** Never rejects. @param by the key ID of who gave it */
  readonly execute: (order: OrderOf<Table>, by: string) => Promise<Outcome>;
  /** Makes the memory durable. @throws Fault `state.io`; it goes with the next write then */
  readonly save: (commands: Record<string, KeyMemory>) => Promise<void>;
  readonly onEvent: (event: NodeEvent) => void;
  /** A command came with an unknown key, or with one that may not give it. */
  readonly onIntruder: (reason: string) => void;
  readonly clock: Clock;
  readonly log: Log;
}

/** Commands that wait to be carried out. */
const mostWaiting = 8;
/** A command is carried out within this time, ms, where its table says nothing else. */
const deadline = 30_000;
/** Refusals that are told, in the log and as events; the others are counted. */
const refusals: Allowance = { burst: 20, refillMs: 10_000 };

/** Refusals of one sort: so many are told. */
interface Told {
  readonly bucket: Bucket;
  unsaid: number;
}

export class CommandHandler<Table extends CommandTable> implements CommandPort {
  readonly #options: DeskOptions<Table>;
  readonly #memory: CommandMemory;
  /** By the monotonic clock: the other may be put right later. */
  readonly #began: number;
  #waiting = 0;
  #last: Promise<void> = Promise.resolve();
  /** Of what a known key has signed, and of the rest: a flood of that must not hide the first. */
  readonly #told: Readonly<Record<"signed" | "unsigned", Told>>;

  constructor(options: DeskOptions<Table>) {
    this.#options = options;
    this.#memory = options.authority.memory;
    this.#began = options.clock.now();
    const told = () => ({ bucket: new Bucket(refusals, options.clock.now()), unsaid: 0 });
    this.#told = { signed: told(), unsigned: told() };
  }

  get available(): readonly string[] {
    return [...this.#options.authority.available];
  }

  submit(message: CommandMessage, reply: (result: object) => void): void {
    const { clock, authority } = this.#options;
    const wall = clock.wall();
    const began = wall - (clock.now() - this.#began);
    const now = { wall, plausible: clockProblem(wall) === undefined, began };
    const { command: topic, payload, retained } = message;
    const verdict = retained
      ? ({ refused: "retained" } as const)
      : judge({ topic, payload }, authority, now);
    if ("refused" in verdict) return this.#refuse(topic, verdict, reply);
    const { keyId, request } = verdict;
    const { id, counter } = request;
    if (this.#waiting >= mostWaiting)
      return this.#refuse(topic, { refused: "busy", keyId, id }, reply);
    this.#waiting++;
    // At once: the same command may come again before this one is on disk.
    this.#memory.begin(keyId, id, counter);
    this.#last = this.#last
      .then(() => this.#carryOut(verdict, reply))
      .finally(() => this.#waiting--);
  }

  /** Resolves when nothing waits to be carried out. Never rejects. */
  settled(): Promise<void> {
    return this.#last;
  }

  async #carryOut(accepted: Accepted<Table>, reply: (result: object) => void): Promise<void> {
    const { clock, log, execute, onEvent, authority } = this.#options;
    const { keyId, request, order } = accepted;
    const { id, command } = request;
    try {
      await this.#save();
    } catch {
      // It was not begun: once the disk is there again it can be sent again. What was not written goes
      // with the next write of the state, which must not tell that it was begun either.
      this.#memory.withdraw(keyId, id);
      void this.#save().catch(() => {});
      return this.#refuse(command, { refused: "state_unavailable", keyId, id }, reply);
    }
    // It may have waited for others.
    if (request.expires <= clock.wall()) {
      this.#memory.end(keyId, id, "refused");
      return this.#refuse(command, { refused: "expired", keyId, id }, reply);
    }
    const limit = (authority.table as CommandTable)[command]?.withinMs ?? deadline;
    const late = () => new Fault("module.command", "no end in time", { limit_ms: limit });
    const outcome: Outcome = await within<Outcome>(clock, limit, execute(order, keyId), late).catch(
      () => ({ status: "failed", reason: "timeout" }) as const satisfies Outcome,
    );
    const { status, reason, facts: result } = outcome;
    log.info("command carried out", { command, id, key: keyId, status, reason });
    this.#memory.end(keyId, id, status);
    // If this is lost the outcome reads "interrupted" after a restart; it is still never repeated.
    await this.#save().catch(() => {});
    const facts = { command, id, key: keyId, status, ...(reason !== undefined && { reason }) };
    onEvent({ type: "command", at: clock.wall(), facts: { ...facts, ...about(request.args) } });
    const more = {
      ...(reason !== undefined && { reason }),
      ...(result !== undefined && { facts: result }),
    };
    reply(this.#result(command, { id, status, ...more }));
  }

  #save(): Promise<void> {
    return this.#options.save(this.#memory.save());
  }

  #refuse(topic: string, verdict: Refused, reply: (result: object) => void): void {
    const { refused, keyId, id, earlier } = verdict;
    const { clock, log, onEvent, onIntruder } = this.#options;
    if (unauthenticated.includes(refused) || refused === "not_permitted") onIntruder(refused);
    // The topic is anybody's text until its command is known to be one.
    const command = /^[a-z][a-z0-9_]{0,31}$/.test(topic) ? topic : "unknown";
    const told = this.#told[keyId === undefined ? "unsigned" : "signed"];
    const isTold = told.bucket.take(clock.now());
    if (isTold) {
      const facts = {
        command,
        reason: refused,
        ...(keyId !== undefined && { key: keyId }),
        ...(id !== undefined && { id }),
        ...(told.unsaid > 0 && { unsaid: told.unsaid }),
      };
      told.unsaid = 0;
      log.warn("command refused", facts);
      onEvent({ type: "command_refused", at: clock.wall(), facts });
    } else told.unsaid++;
    // Thousands of invalid messages fill neither outbox nor log, and get no answers. A manager always
    // gets one: it may be asking what became of its command.
    if (!isTold && keyId === undefined) return;
    const more = { ...(id !== undefined && { id }), ...(earlier !== undefined && { earlier }) };
    reply(this.#result(command, { status: "refused", reason: refused, ...more }));
  }

  #result(command: string, what: object): object {
    const { authority, clock } = this.#options;
    const t = new Date(clock.wall()).toISOString();
    const { subject, boot } = authority;
    return { command, ...what, [subject.is]: subject.id, boot, t };
  }
}

const audited = [
  ...["module", "alarm", "name", "value", "bits_per_second", "key_ID", "km"],
  ...["link", "from", "to", "delete"],
];

/** The arguments worth an audit: names and numbers. */
function about(args: Readonly<Record<string, unknown>>): Record<string, string | number | boolean> {
  const facts: Record<string, string | number | boolean> = {};
  for (const name of audited) {
    const value = args[name];
    const as = name === "name" ? "threshold" : name;
    if (typeof value === "number" || typeof value === "boolean") facts[as] = value;
    else if (typeof value === "string") facts[as] = value.slice(0, 64);
  }
  return facts;
}
