/**
 * What a KM reports of a link, for routing (IMDA RS QKDN §7.1): one object in `extension` of a Report, the same
 * over both bindings. What a link lacks is absent, never zero.
 */
import { Fault } from "../../base/errors.ts";
import { Members } from "../kq2/members.ts";
import type { CkExtension, CkMessage } from "./messages.ts";
import { extension as known, limits, type Service, services } from "./names.ts";

/** ITU-T X.733 §8.1.2.3, the most severe first. */
export const severities = ["critical", "major", "minor", "warning", "indeterminate"] as const;

export interface LinkAlarm {
  /** As in the catalogue of who raised it: `qber_high`. */
  readonly name: string;
  readonly severity: (typeof severities)[number];
}

export interface LinkReport {
  /** KMA at the other end. */
  readonly peer: string;
  /** The KMs talk to each other, and keys can be used. */
  readonly up: boolean;
  /** Bits that may still be allocated by this KM. */
  readonly stock: number;
  /** bit/s that come in, over the last minute. */
  readonly rate?: number;
  /** bit/s that were used, over the last minute. */
  readonly consumption?: number;
  /** Ratio, 0 to 0.5; of several modules the worst. */
  readonly qber?: number;
  /** bit/s that its modules distil, as their nodes tell it. */
  readonly secretKeyRate?: number;
  /** Bits that were compared into stock since the link began. */
  readonly matched?: number;
  /** Default: in service. */
  readonly service?: Service;
  /** Those that are raised, the most severe first. */
  readonly alarms: readonly LinkAlarm[];
}

const most = { alarms: 16, name: 64 } as const;
/** No link is so fast: sums of rates stay numbers. */
export const mostRate = 1e15;
const names = {
  peer: "peer_kma_id",
  up: "up",
  stock: "stock_bits",
  rate: "key_rate",
  consumption: "consumption_rate",
  qber: "qber",
  secretKeyRate: "secret_key_rate",
  matched: "matched_bits",
  service: "service",
  alarms: "alarms",
  alarm: "name",
  severity: "severity",
} as const;

/** @throws Fault `ck.message` if a value is out of its range: what is sent can be read again */
export function linkExtension(link: LinkReport): CkExtension {
  const members = {
    [names.peer]: link.peer,
    [names.up]: link.up,
    [names.stock]: link.stock,
    ...(link.rate !== undefined && { [names.rate]: link.rate }),
    ...(link.consumption !== undefined && { [names.consumption]: link.consumption }),
    ...(link.qber !== undefined && { [names.qber]: link.qber }),
    ...(link.secretKeyRate !== undefined && { [names.secretKeyRate]: link.secretKeyRate }),
    ...(link.matched !== undefined && { [names.matched]: link.matched }),
    ...(link.service !== undefined && { [names.service]: link.service }),
    [names.alarms]: link.alarms.map(({ name, severity }) => {
      return { [names.alarm]: name, [names.severity]: severity };
    }),
  };
  readLink(members);
  return { [known.link]: members };
}

/** The links that a report tells of. Other extensions are not looked at. @throws Fault `ck.message` */
export function linksIn(report: CkMessage): readonly LinkReport[] {
  return objectsIn(report, known.link).map(readLink);
}

/** The objects of one name among the extensions of a message. @throws Fault `ck.message` */
export function objectsIn({ extension = [] }: CkMessage, name: string): readonly CkExtension[] {
  return extension
    .filter((one) => Object.hasOwn(one, name))
    .map((one) => {
      const object = one[name];
      if (typeof object !== "object" || object === null || Array.isArray(object)) {
        throw bad("has a member that is no object", name);
      }
      return object as CkExtension;
    });
}

function readLink(object: CkExtension): LinkReport {
  const members = new Members(object, bad);
  const rate = members.maybeNumber(names.rate, 0, mostRate);
  const consumption = members.maybeNumber(names.consumption, 0, mostRate);
  const qber = members.maybeNumber(names.qber, 0, 0.5);
  const secretKeyRate = members.maybeNumber(names.secretKeyRate, 0, mostRate);
  const matched = members.maybeWhole(names.matched);
  const service = members.maybeWord(names.service, services);
  return {
    peer: members.text(names.peer, 1, limits.id),
    up: members.flag(names.up),
    stock: members.whole(names.stock),
    ...(rate !== undefined && { rate }),
    ...(consumption !== undefined && { consumption }),
    ...(qber !== undefined && { qber }),
    ...(secretKeyRate !== undefined && { secretKeyRate }),
    ...(matched !== undefined && { matched }),
    ...(service !== undefined && { service }),
    alarms: members.objects(names.alarms, most.alarms).map((one) => {
      return {
        name: one.text(names.alarm, 1, most.name),
        severity: one.word(names.severity, severities),
      };
    }),
  };
}

/** What is wrong with an extension of a report. */
export function bad(what: string, field: string, limit?: number): Fault {
  const facts = { message: "Report", field, ...(limit !== undefined && { limit }) };
  return new Fault("ck.message", `message of Ck ${what}`, { ...facts, source: "profile" });
}
