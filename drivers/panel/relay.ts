/**
 * Between controller and node: what the controller tells becomes messages to the node, what the node
 * tells becomes lamps. Both sides may come and go; each is told the state, never a difference.
 */
import type { Clock, Timer } from "../../src/base/clock.ts";
import type { Log } from "../../src/base/log.ts";
import type { NodeMessage, PanelMessage } from "../../src/port/panel.ts";
import { HoldButton, holdMs } from "./button.ts";
import type { ControllerSink, Wish } from "./controller.ts";
import { lightsOf } from "./lights.ts";
import { contactsOf, type Identity, type Status } from "./report.ts";

export interface RelayParts {
  readonly clock: Clock;
  readonly log: Log;
  /** Names a request. */
  readonly newId: () => string;
  /** Tells the node, if it is there. */
  readonly tell: (message: PanelMessage) => void;
  /** Has the controller shown {@link Relay.wish} at once, if it is there. */
  readonly show: () => void;
}

/** What is not urgent is told at most this often, ms. */
const pauseMs = 50;
/** A request of the button is void after this time, ms. */
const askingMs = 600_000;

export class Relay implements ControllerSink {
  readonly #parts: RelayParts;
  readonly #button = new HoldButton();
  #status: Status | undefined;
  #identity: Identity | undefined;
  #lost = "not found yet";
  #malformed = 0;
  #node: NodeMessage | undefined;
  #asking: { readonly id: string; readonly at: number } | undefined;
  #hold: Timer | undefined;
  /** Contacts, as bits, that the node knows of. */
  #told = 0;
  #toldAt = Number.NEGATIVE_INFINITY;
  #later: Timer | undefined;
  #shown = "";

  constructor(parts: RelayParts) {
    this.#parts = parts;
  }

  /** How the controller is, for the node. */
  message(): PanelMessage {
    const status = this.#status;
    const contacts = {
      open: contactsOf(status?.open ?? 0),
      latched: contactsOf(status?.latched ?? 0),
      blind: status?.memoryLost === true || status?.selfTestFailed === true,
      maintenance: status?.maintenance ?? false,
    };
    return {
      v: 1,
      from: "panel",
      ...(status === undefined && { lost: this.#lost }),
      ...contacts,
      ...(this.#asking !== undefined && { zeroize: this.#asking.id }),
      ...(this.#identity !== undefined && { ...this.#identity }),
      malformed: this.#malformed,
    };
  }

  /**
   * The key is turned and no contact is open; false wherever that is not known. A node
   * that is not there takes nothing away from it.
   */
  get keyTurned(): boolean {
    const { lost, maintenance, blind, open, latched } = this.message();
    const whole = !blind && open.length === 0 && latched.length === 0;
    return lost === undefined && maintenance && whole && (this.#node?.tamper ?? "none") === "none";
  }

  /** What the controller is to show and do. */
  wish(): Wish {
    const clear = this.#node?.clear === true;
    const lights = lightsOf({
      node: this.#node,
      held: this.#button.held,
      asking: this.#asking !== undefined,
    });
    return { lights, clear: clear ? 0xff : 0, clearMemoryLost: clear };
  }

  /** To be called every half a second or so. */
  beat(): void {
    const { clock, log } = this.#parts;
    if (this.#asking !== undefined && clock.now() - this.#asking.at >= askingMs) {
      log.error("nobody took the request to zeroize");
      this.#asking = undefined;
    }
    this.#tell();
    this.#show();
  }

  status(status: Status): void {
    const before = this.#status;
    this.#status = status;
    if (before === undefined) this.#parts.log.info("controller heard");
    const contacts = status.open | status.latched;
    const blind = status.memoryLost || status.selfTestFailed;
    const wasBlind = before?.memoryLost === true || before?.selfTestFailed === true;
    // A contact that chatters stays latched: it is news once.
    const urgent = before === undefined || (contacts & ~this.#told) !== 0 || blind !== wasBlind;
    if (urgent) this.#tell();
    else if (changed(before, status)) this.#tellSoon();
    this.#told = contacts;
    this.#press(status);
    if (before?.powerLow !== status.powerLow && status.powerLow) {
      this.#parts.log.warn("controller's memory is low on power");
    }
    this.#show();
  }

  identity({ serial, firmware }: Identity): void {
    this.#identity = { serial, firmware };
    this.#parts.log.info("controller", { serial, firmware });
  }

  malformed(): void {
    this.#malformed++;
  }

  /** The controller is not heard any more. */
  controllerLost(reason: string): void {
    this.#status = undefined;
    this.#told = 0;
    this.#lost = reason.slice(0, 160);
    this.#button.lost();
    this.#hold?.cancel();
    this.#hold = undefined;
    this.#tell();
  }

  /** The node says how it is; undefined: it is not heard any more. */
  node(message: NodeMessage | undefined): void {
    this.#node = message;
    if (this.#asking !== undefined && message?.taken === this.#asking.id) {
      this.#parts.log.warn("the node has taken the request to zeroize");
      this.#asking = undefined;
    }
    this.#show();
  }

  stop(): void {
    this.#hold?.cancel();
    this.#later?.cancel();
  }

  #press({ button, presses }: Status): void {
    const { clock } = this.#parts;
    this.#button.seen(button, presses, clock.now());
    this.#hold?.cancel();
    const left = this.#button.left(clock.now());
    this.#hold = left === undefined ? undefined : clock.after(left, () => this.#held());
  }

  #held(): void {
    const { clock, log, newId } = this.#parts;
    if (!this.#button.fired(clock.now())) return;
    log.warn("zeroize button was held", { ms: holdMs });
    this.#asking = { id: newId(), at: clock.now() };
    this.#tell();
    this.#show();
  }

  #tell(): void {
    this.#later?.cancel();
    this.#later = undefined;
    this.#toldAt = this.#parts.clock.now();
    this.#parts.tell(this.message());
  }

  #tellSoon(): void {
    const { clock } = this.#parts;
    const wait = this.#toldAt + pauseMs - clock.now();
    if (wait <= 0) this.#tell();
    else this.#later ??= clock.after(wait, () => this.#tell());
  }

  #show(): void {
    const wish = JSON.stringify(this.wish());
    if (wish === this.#shown) return;
    this.#shown = wish;
    this.#parts.show();
  }
}

function changed(before: Status | undefined, now: Status): boolean {
  return (
    before?.open !== now.open ||
    before.latched !== now.latched ||
    before.maintenance !== now.maintenance
  );
}
