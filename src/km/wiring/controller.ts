/** One controller of a key manager: its connection, what it was told, and whether it says that it leads. */
import type { Clock } from "../../base/clock.ts";
import type { Log } from "../../base/log.ts";
import type { TaskBegin } from "../../host/life/progress.ts";
import { type CredentialFiles, KeptCredentials } from "../../host/tls/credentials.ts";
import { refusalOf } from "../../wire/ck/check.ts";
import { marksIn } from "../../wire/ck/marks.ts";
import type { CkCommand, CkMessage, CkMessageOf } from "../../wire/ck/messages.ts";
import { revocationIn, type ToldList } from "../../wire/ck/revocations.ts";
import type { CkAnswered, CkAsked, CkSession } from "../../wire/ck/session.ts";
import type { ControllerConfig } from "../config/controllers.ts";
import type { Telling } from "../controllers/report.ts";
import { Reporter } from "../controllers/reporter.ts";
import { CkLink } from "../io/ck-link.ts";
import type { ControllerStatus } from "../model/status.ts";

export interface ControllerParts {
  readonly me: string;
  readonly config: ControllerConfig;
  readonly clock: Clock;
  readonly log: Log;
  readonly task?: TaskBegin;
  /** All there is to tell, as it is now. */
  readonly tellings: () => ReadonlyMap<string, Telling>;
  onUp(one: Controller): void;
  onDown(one: Controller, why: string): void;
  onCommand(one: Controller, asked: CkAsked): void;
  /** It told which certificates it took back. */
  onRevoked(one: Controller, list: ToldList): void;
}

/** Reports of which the answer is not here yet: what is more waits. */
const mostReports = 4;

export class Controller {
  readonly name: string;
  readonly config: ControllerConfig;
  readonly #parts: ControllerParts;
  readonly #link: CkLink;
  readonly #reporter: Reporter;
  #session: CkSession | undefined;
  #standby = false;
  #since: number;
  #reports = 0;

  constructor(parts: ControllerParts) {
    const { me, config, clock, log, task } = parts;
    this.#parts = parts;
    this.config = config;
    this.name = config.name;
    this.#since = clock.wall();
    this.#reporter = new Reporter(me);
    const credentials = new KeptCredentials(config as CredentialFiles, "config.file");
    this.#link = new CkLink({
      ...config,
      tls: () => credentials.read(),
      report: (whole) => this.#report(whole),
      handlers: {
        onReported: (answer) => this.#answered(answer),
        onSession: (session) => this.#up(session),
        onCommand: (asked) => parts.onCommand(this, asked),
        onEnd: (why) => this.#down(why.message),
      },
      log,
      clock,
      ...(task && { task }),
    });
  }

  get isConnected(): boolean {
    return this.#session !== undefined;
  }

  get isStandby(): boolean {
    return this.#standby;
  }

  start(): void {
    this.#link.start();
  }

  stop(): Promise<void> {
    return this.#link.stop();
  }

  recheck(): void {
    this.#link.recheck();
  }

  /** Asks it. @returns undefined if it stands by @throws Fault `ck.*` if no answer came */
  async ask<C extends CkCommand>(message: C, withinMs: number): Promise<CkAnswered<C> | undefined> {
    const answered = await this.#session?.request(message, withinMs);
    if (answered === undefined) return undefined;
    const answer = answered.message as CkMessage;
    if (refusalOf(answer) !== "busy" || !marksIn(answer).standby) return answered;
    this.#standby = true;
    return undefined;
  }

  /** What changed, if it is to be told at once. */
  tellUrgent(all: ReadonlyMap<string, Telling>): void {
    if (!this.#isTold) return;
    const report = this.#reporter.urgent(all, this.#parts.clock.wall());
    if (report !== undefined) this.#tell(report);
  }

  /** What changed; a sign of life where nothing did. */
  tellChanged(all: ReadonlyMap<string, Telling>): void {
    if (this.#isTold) this.#tell(this.#reporter.changed(all, this.#parts.clock.wall()));
  }

  status(asked: Controller | undefined): ControllerStatus {
    const { host, port, binding } = this.config;
    const { group } = this.#link;
    return {
      name: this.name,
      address: `${host.includes(":") ? `[${host}]` : host}:${port}`,
      binding,
      connected: this.isConnected,
      since: new Date(this.#since).toISOString(),
      standby: this.#standby,
      asked: asked === this,
      ...(this.isConnected && group !== undefined && { key_exchange: group }),
    };
  }

  /** A controller that speaks the draft alone knows no reports. */
  get #isTold(): boolean {
    return this.#session?.isOurs === true && this.#reports < mostReports;
  }

  #report(whole: boolean): CkMessageOf<"report"> {
    const { tellings, clock } = this.#parts;
    const all = tellings();
    return whole
      ? this.#reporter.whole(all, clock.wall())
      : this.#reporter.changed(all, clock.wall());
  }

  #tell(report: CkMessageOf<"report">): void {
    const session = this.#session;
    if (session === undefined) return;
    this.#reports++;
    session
      .request(report)
      .then(
        ({ message }) => {
          this.#answered(message);
          if (refusalOf(message) !== undefined) this.#reporter.forget();
        },
        // What it did not take in is told once more.
        () => this.#reporter.forget(),
      )
      .finally(() => {
        if (this.#session === session) this.#reports--;
      });
  }

  #answered(message: CkMessage): void {
    if (refusalOf(message) !== undefined) return;
    this.#standby = marksIn(message).standby === true;
    const list = revocationIn(message);
    if (list !== undefined) this.#parts.onRevoked(this, list);
  }

  #up(session: CkSession): void {
    this.#session = session;
    this.#since = this.#parts.clock.wall();
    this.#reports = 0;
    this.#parts.onUp(this);
  }

  #down(why: string): void {
    this.#session = undefined;
    this.#since = this.#parts.clock.wall();
    this.#standby = false;
    this.#parts.onDown(this, why);
  }
}
