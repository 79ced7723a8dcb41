/** Alarms about what any daemon proves itself by, and its clock: what they are, and what raises them. Pure. */
import { clockProblem } from "../../base/clock.ts";
import type { ListsValidity, Validity } from "../../host/tls/validity.ts";
import type { AlarmKind } from "./alarm-kind.ts";
import type { AlarmBook } from "./book.ts";
import type { Moment } from "./severity.ts";

const minute = 60_000;
const hour = 3_600_000;
const day = 86_400_000;
const urgentDays = 7;
/** A clock that moved this far against the monotonic one was set, ms. */
const jump = 60_000;

/**
 * @param called what the program is: `node`
 * @param program its command: `qkd-node`
 */
export function machineKinds(called: string, program: string) {
  return {
    certificate_expiring: {
      type: "security",
      cause: "keyExpired",
      severities: ["major", "warning"],
      text: "a certificate expires soon",
      action: "renew it before the date in the alarm; major means within seven days",
    },
    certificate_invalid: {
      type: "security",
      cause: "keyExpired",
      severities: ["critical"],
      text: "a certificate has expired, is not valid yet, or cannot be read",
      action: `replace it; also check the ${called}'s clock`,
    },
    certificate_unrenewed: {
      type: "security",
      cause: "keyExpired",
      severities: ["warning"],
      text: "a certificate is due, and could not be renewed by itself",
      action:
        "the alarm says why: look at the EST server and the way to it; it is tried again each hour",
    },
    crl_expiring: {
      type: "security",
      cause: "keyExpired",
      severities: ["warning"],
      text: "a revocation list runs out soon",
      action: `copy the CA's newest list into its place; ${program} doctor says which, and until when`,
    },
    crl_invalid: {
      type: "security",
      cause: "keyExpired",
      severities: ["critical", "major"],
      text: "a revocation list has run out, is missing, or cannot be used",
      action:
        "copy the CA's newest list into its place; one that has run out is enforced meanwhile",
    },
    clock_implausible: {
      type: "processing_error",
      cause: "timingProblem",
      severities: ["major"],
      quietMs: 10 * minute,
      text: `the ${called}'s clock cannot be right, or jumped`,
      action: "check NTP and the battery of the clock; signed commands are refused meanwhile",
    },
  } as const satisfies Readonly<Record<string, AlarmKind>>;
}

export type MachineAlarm = keyof ReturnType<typeof machineKinds>;

export interface MachineRuleOptions {
  /** Days before the end of a certificate from which on it is told. */
  readonly certificateDays: number;
  /** Part of a revocation list's life below which that it runs out is told, 0 to 1; default 0.25. */
  readonly crlLeft?: number;
}

export class MachineRules {
  readonly #options: MachineRuleOptions;
  readonly #book: Pick<AlarmBook<MachineAlarm>, "signal" | "occurred">;
  /** What the clock's alarm is about. */
  readonly #object: string;
  /** Wall clock minus monotonic clock, ms. */
  #offset: number | undefined;

  constructor(
    options: MachineRuleOptions,
    book: Pick<AlarmBook<MachineAlarm>, "signal" | "occurred">,
    object: string,
  ) {
    this.#options = options;
    this.#book = book;
    this.#object = object;
  }

  /** @param object whose certificate: `km.NAME`, `manager`, or the name of a door */
  certificate(object: string, validity: Validity | undefined, moment: Moment): void {
    const days = ((validity?.to ?? 0) - moment.wall) / day;
    const invalid = validity === undefined || days <= 0 || moment.wall < validity.from;
    const why = validity === undefined ? "unreadable" : days <= 0 ? "expired" : "not valid yet";
    this.#book.signal(
      "certificate_invalid",
      object,
      { level: invalid ? "critical" : "cleared", ...(invalid && { detail: why }) },
      moment,
    );
    const soon = !invalid && days <= this.#options.certificateDays;
    const level = !soon ? "cleared" : days <= urgentDays ? "major" : "warning";
    const value = Math.floor(days);
    const limit = this.#options.certificateDays;
    this.#book.signal("certificate_expiring", object, { level, value, threshold: limit }, moment);
  }

  /** @param object whose certificate @param why it could not be renewed; undefined: it was, or is not due */
  renewal(object: string, why: string | undefined, moment: Moment): void {
    const level = why === undefined ? "cleared" : "warning";
    const detail = why?.slice(0, 200);
    this.#book.signal(
      "certificate_unrenewed",
      object,
      { level, ...(detail && { detail }) },
      moment,
    );
  }

  /**
   * @param object whose lists: `km.NAME`, `server`, `manager`, or the name of a door
   * @param fresh a list that has run out refuses every peer
   */
  lists(object: string, found: ListsValidity, fresh: boolean, moment: Moment): void {
    const bad = found.lists.find(({ problem }) => problem !== undefined);
    const missing = found.missing[0];
    const why =
      found.unusable ??
      (bad !== undefined ? `list of ${bad.issuer} ${bad.problem}` : undefined) ??
      (missing !== undefined ? `there is no list of ${missing}` : undefined);
    const ranOut = found.lists.some(({ left }) => left === 0);
    const worst = found.unusable !== undefined || (fresh && ranOut) ? "critical" : "major";
    this.#book.signal(
      "crl_invalid",
      object,
      why === undefined ? { level: "cleared" } : { level: worst, detail: why },
      moment,
    );
    const { crlLeft = 0.25 } = this.#options;
    const [next] = found.lists
      .filter(({ left, problem }) => left <= crlLeft && problem === undefined)
      .sort((a, b) => a.left - b.left);
    const left = (next?.nextUpdate ?? 0) - moment.wall;
    this.#book.signal(
      "crl_expiring",
      object,
      next === undefined
        ? { level: "cleared" }
        : { level: "warning", value: Math.floor(left / hour), detail: `h left: ${next.issuer}` },
      moment,
    );
  }

  /** Called every second or so. */
  clock(moment: Moment): void {
    const offset = moment.wall - moment.now;
    const moved = offset - (this.#offset ?? offset);
    this.#offset = offset;
    const detail = clockProblem(moment.wall);
    if (detail !== undefined) {
      this.#book.occurred("clock_implausible", this.#object, moment, { detail });
    } else if (Math.abs(moved) > jump) {
      const value = Math.round(moved / 1_000);
      this.#book.occurred("clock_implausible", this.#object, moment, { detail: "jumped", value });
    }
  }
}
