/** What the controller's state means for its alarms. Pure: time is passed in. */
import type { Duration } from "../../base/duration.ts";
import type { AlarmRecord, FlapLimits, Transition } from "../../ops/alarms/alarm.ts";
import { mostAlarms } from "../../ops/alarms/book.ts";
import type { MachineRuleOptions } from "../../ops/alarms/machine-alarms.ts";
import { ProgramAlarms } from "../../ops/alarms/program-alarms.ts";
import type { Level, Moment } from "../../ops/alarms/severity.ts";
import { isAway, isLost, missedLinks } from "../model/missed.ts";
import type { ControllerStatus, PairStatus } from "../model/status.ts";
import { type ControllerAlarmName, catalogue, isAlarmName } from "./catalogue.ts";

/** Longest that an alarm about a key manager waits before it is cleared, ms. */
const usualClearMs = 30_000;
/** A certificate that runs out within this is a major alarm, ms. */
const urgentMs = 7 * 86_400_000;
/** How full the book may be for another alarm about what key managers tell of, and about what is configured. */
const room = { learnt: mostAlarms / 2, configured: mostAlarms - 32 } as const;
/** About the network; all others are about the controller itself. */
const networkAlarms: ReadonlySet<string> = new Set([
  "km_away",
  "link_bad",
  "no_route",
  "component_certificate",
  "km_twice",
]);

export interface ControllerAlarmOptions {
  readonly flap: FlapLimits;
  /** How long a key manager is away before it is told, and back before that is over, ms. */
  readonly kmAway: Duration;
  readonly machine: MachineRuleOptions;
  readonly onTransition?: (transition: Transition) => void;
}

/** Who tries to take part, and who will not be able to much longer. */
export interface AccessFacts {
  /** Connections of strangers since the start. */
  readonly refused: number;
  /** KM IDs whose connections took each other's place, since the last look. */
  readonly twice: readonly string[];
  /** Components whose last certificate runs out: `application:ID`, and when, ms since 1970 UTC. */
  readonly expiring: readonly { readonly name: string; readonly to: number }[];
}

export class ControllerAlarms extends ProgramAlarms<ControllerAlarmName> {
  #refused = 0;
  /** Alarms that were left out, at the last look. */
  #leftOut = 0;
  /** Key managers, links, pairs and components that are no other's word alone. */
  #configured: ReadonlySet<string> = new Set();
  /** Objects that alarms were raised for: what is not there any more is over. */
  readonly #links = new Set<string>();
  readonly #pairs = new Set<string>();
  readonly #components = new Set<string>();

  constructor({ flap, kmAway, machine, onTransition }: ControllerAlarmOptions) {
    super({
      catalogue,
      flap,
      timing: (name) =>
        name === "km_away"
          ? { raiseAfterMs: kmAway, clearAfterMs: Math.min(kmAway, usualClearMs) }
          : undefined,
      room: (name, object) => this.#room(name, object),
      machine,
      object: "controller",
      onTransition,
    });
  }

  override restore(
    saved: readonly AlarmRecord[],
    exists: (name: ControllerAlarmName, object: string) => boolean,
    moment: Moment,
  ): void {
    const isKnown = ({ name, object }: AlarmRecord) => isAlarmName(name) && exists(name, object);
    const [known, others] = [saved.filter(isKnown), saved.filter((one) => !isKnown(one))];
    // Learnt links are not known yet: what is, is configured, and has its place first.
    this.#configured = new Set(known.map(({ object }) => object));
    super.restore([...known, ...others], exists, moment);
    for (const { name, object } of saved) {
      if (name === "link_bad") this.#links.add(object);
      if (name === "no_route") this.#pairs.add(object);
      if (name === "component_certificate") this.#components.add(object);
    }
  }

  /**
   * The state of now; at least once a second.
   * @param access who was refused, and whose certificates run out
   */
  look(
    { role, nodes, links, pairs }: ControllerStatus,
    { refused, twice, expiring }: AccessFacts,
    moment: Moment,
  ): void {
    this.#configured = configuredIn({ nodes, links, pairs }, expiring);
    const leads = role === "active";
    this.signal("standby", "controller", leads ? "cleared" : "warning", moment);
    for (const node of nodes) {
      this.signal("km_away", node.km, isAway(node) ? "major" : "cleared", moment);
    }
    const missed = leads ? missedLinks({ nodes, links }) : [];
    const bad = missed.map(({ link, reason }) => [link, reason] as const);
    this.#look("link_bad", "major", this.#links, bad, moment);
    this.#look("no_route", "critical", this.#pairs, leads ? pairs.flatMap(lostPair) : [], moment);
    const ending = expiring.map(({ name, to }) => {
      const level = to - moment.wall <= urgentMs ? "major" : "warning";
      return [name, `until ${new Date(to).toISOString().slice(0, 16)}Z`, level] as const;
    });
    this.#look("component_certificate", "warning", this.#components, ending, moment);
    if (refused > this.#refused) {
      this.book.occurred("access_refused", "ck", moment, { value: refused });
    }
    this.#refused = refused;
    for (const km of twice) this.book.occurred("km_twice", km, moment);
    const isFull = this.book.refused > this.#leftOut;
    this.signal("alarms_left_out", "controller", isFull ? "major" : "cleared", moment);
    this.#leftOut = this.book.refused;
    this.book.tick(moment);
  }

  #room(name: string, object: string): number {
    if (!networkAlarms.has(name)) return mostAlarms;
    return this.#configured.has(object) ? room.configured : room.learnt;
  }

  /** @param raised all that it holds of, with why, and how bad that is */
  #look(
    name: "link_bad" | "no_route" | "component_certificate",
    usual: Level,
    known: Set<string>,
    raised: Raised,
    moment: Moment,
  ): void {
    const now = new Set(raised.map(([object]) => object));
    for (const object of known) {
      if (now.has(object)) continue;
      this.signal(name, object, "cleared", moment);
      if (this.book.record(`${name}.${object}`) === undefined) known.delete(object);
    }
    for (const [object, detail, level = usual] of raised) {
      known.add(object);
      this.signal(name, object, level, moment, detail);
    }
  }

  /** @param why undefined: it can be written again */
  store(why: string | undefined, moment: Moment): void {
    const level = why === undefined ? "cleared" : "critical";
    this.signal("store_away", "store", level, moment, why);
  }
}

type Raised = readonly (readonly [object: string, detail: string, level?: Level])[];

/** Pairs are if both their ends are; what was registered is an operator's word. */
function configuredIn(
  { nodes, links, pairs }: Pick<ControllerStatus, "nodes" | "links" | "pairs">,
  components: AccessFacts["expiring"],
): ReadonlySet<string> {
  const isConfigured = ({ origin }: { readonly origin: string }) => origin === "configured";
  const kms = new Set(nodes.filter(isConfigured).map(({ km }) => km));
  return new Set([
    ...kms,
    ...links.filter(isConfigured).map(({ link }) => link),
    ...pairs.flatMap(({ pair, a, b }) => (kms.has(a) && kms.has(b) ? [pair] : [])),
    ...components.map(({ name }) => name),
  ]);
}

function lostPair(pair: PairStatus): Raised {
  return isLost(pair) ? [[pair.pair, `class ${pair.class}`]] : [];
}
