/** The Status message of Kq-2: all that a KM is told of one module and its link. Each replaces the one before. */
import { Fault } from "../../base/errors.ts";
import { type FigureName, type FigureValue, figures } from "../../port/telemetry.ts";
import { parseObject } from "../kq1/json.ts";
import { header } from "../kq1/names.ts";
import { Members, stamp } from "./members.ts";
import { limits, linkStates, member, moduleStates, responses, severities } from "./names.ts";

export type ModuleState = (typeof moduleStates)[number];
export type LinkState = (typeof linkStates)[number];
export type AlarmSeverity = (typeof severities)[number];
export type StatusResponse = (typeof responses)[number];

/** An alarm that is raised. Times in ms since 1970 UTC. */
export interface StatusAlarm {
  readonly id: string;
  readonly name: string;
  readonly object: string;
  readonly severity: AlarmSeverity;
  /** The condition holds now; false for a latched alarm that waits for acknowledgement. */
  readonly active: boolean;
  readonly acknowledged: boolean;
  readonly raisedAt: number;
  readonly changedAt: number;
  readonly value?: number;
  readonly threshold?: number;
  readonly detail?: string;
  /** What is the matter, for a person who does not have the node's catalogue. */
  readonly text?: string;
}

export interface Status {
  readonly nodeId: string;
  readonly moduleId: string;
  /** Empty where it is not known. */
  readonly matchingModuleId: string;
  /** When it was so, ms since 1970 UTC by the node's clock. */
  readonly at: number;
  readonly module: ModuleState;
  readonly link: LinkState;
  /** Since when module and link are in these states, ms since 1970 UTC. */
  readonly since: number;
  /** Why something is not as it should be; empty if all is well. */
  readonly reason: string;
  /** What the module measured last: QBER, secret key rate and others; what it lacks is absent. */
  readonly figures: Readonly<Partial<Record<FigureName, FigureValue>>>;
  /** All that are raised, the most severe first. */
  readonly alarms: readonly StatusAlarm[];
  /** Alarms that found no place in the message. */
  readonly leftOut: number;
}

/**
 * JSON of at most 65,535 bytes: alarms that do not fit are left out, the least severe first, and counted.
 * @throws Fault `kq2.message` if a value is out of its range: what is sent can be read again
 */
export function encodeStatus(status: Status): Buffer {
  const alarms = status.alarms
    .toSorted((a, b) => severities.indexOf(a.severity) - severities.indexOf(b.severity))
    .slice(0, limits.alarms)
    .map(alarmMembers);
  let left = alarms.length;
  for (;;) {
    const leftOut = status.leftOut + status.alarms.length - left;
    const payload = Buffer.from(JSON.stringify(membersOf(status, alarms.slice(0, left), leftOut)));
    const over = payload.length - header.maxPayload;
    if (over <= 0) {
      decodeStatus(payload);
      return payload;
    }
    if (left === 0) throw bad("does not fit a frame");
    // By their mean length; once more if those that are left are longer.
    const each = Math.ceil(payload.length / left);
    left -= Math.min(left, Math.max(1, Math.floor(over / each)));
  }
}

function membersOf(status: Status, alarms: readonly object[], leftOut: number): object {
  return {
    [member.nodeId]: status.nodeId,
    [member.moduleId]: status.moduleId,
    [member.matchingModuleId]: status.matchingModuleId,
    [member.at]: stamp(status.at),
    [member.module]: status.module,
    [member.link]: status.link,
    [member.since]: stamp(status.since),
    [member.reason]: status.reason,
    [member.figures]: status.figures,
    [member.alarms]: alarms,
    [member.leftOut]: leftOut,
  };
}

function alarmMembers(alarm: StatusAlarm): object {
  return {
    [member.alarmId]: alarm.id,
    [member.name]: alarm.name,
    [member.object]: alarm.object,
    [member.severity]: alarm.severity,
    [member.active]: alarm.active,
    [member.acknowledged]: alarm.acknowledged,
    [member.raisedAt]: stamp(alarm.raisedAt),
    [member.changedAt]: stamp(alarm.changedAt),
    [member.value]: alarm.value,
    [member.threshold]: alarm.threshold,
    [member.detail]: alarm.detail,
    [member.text]: alarm.text,
  };
}

/** Members that are not of the profile are not looked at. @throws Fault `kq2.message`, which quotes nothing */
export function decodeStatus(payload: Buffer): Status {
  const all = new Members(parseObject(payload, bad), bad);
  return {
    nodeId: all.text(member.nodeId, 1, limits.name),
    moduleId: all.text(member.moduleId, 1, limits.name),
    matchingModuleId: all.text(member.matchingModuleId, 0, limits.name),
    at: all.time(member.at),
    module: all.word(member.module, moduleStates),
    link: all.word(member.link, linkStates),
    since: all.time(member.since),
    reason: all.text(member.reason, 0, limits.text),
    figures: figuresOf(all.object(member.figures)),
    alarms: all.objects(member.alarms, limits.alarms).map(alarmOf),
    leftOut: all.whole(member.leftOut),
  };
}

function alarmOf(one: Members): StatusAlarm {
  const value = one.maybeNumber(member.value);
  const threshold = one.maybeNumber(member.threshold);
  const detail = one.maybeText(member.detail, limits.text);
  const text = one.maybeText(member.text, limits.text);
  return {
    id: one.text(member.alarmId, 1, limits.name),
    name: one.text(member.name, 1, limits.name),
    object: one.text(member.object, 0, limits.name),
    severity: one.word(member.severity, severities),
    active: one.flag(member.active),
    acknowledged: one.flag(member.acknowledged),
    raisedAt: one.time(member.raisedAt),
    changedAt: one.time(member.changedAt),
    ...(value !== undefined && { value }),
    ...(threshold !== undefined && { threshold }),
    ...(detail !== undefined && { detail }),
    ...(text !== undefined && { text }),
  };
}

function figuresOf(members: Members): Status["figures"] {
  const found: Partial<Record<FigureName, FigureValue>> = {};
  for (const [name, spec] of Object.entries(figures)) {
    const { min, max } = spec;
    const value =
      "list" in spec
        ? members.maybeNumbers(name, min, max, limits.list)
        : members.maybeNumber(name, min, max);
    if (value !== undefined) found[name as FigureName] = value;
  }
  return found;
}

/** The answer to a Status, under its MessageID. */
export function encodeResponse(response: StatusResponse): Buffer {
  return Buffer.from(JSON.stringify({ [member.response]: response }));
}

/** A word that is not known is `busy`: the status is told again later. @throws Fault `kq2.message` */
export function decodeResponse(payload: Buffer): StatusResponse {
  const word = new Members(parseObject(payload, bad), bad).text(member.response, 1, limits.name);
  return responses.find((one) => one === word) ?? "busy";
}

/** @param field name of the member @param limit that was passed */
function bad(what: string, field = "", limit?: number): Fault {
  const facts = { ...(field !== "" && { field }), ...(limit !== undefined && { limit }) };
  return new Fault("kq2.message", `message of Kq-2 ${what}`, facts);
}
