/** Parts of the JSON Schemas that nodes, key managers and controllers have in common. */
import {
  about,
  count,
  flag,
  list,
  mapOf,
  number,
  oneOf,
  object as plainObject,
  type Schema,
  text,
} from "../../src/node/cli/schema-parts.ts";
import type { AlarmKind } from "../../src/ops/alarms/alarm-kind.ts";
import { levels } from "../../src/ops/alarms/severity.ts";

/** Which program it is of. */
export type Program = "node" | "km" | "controller";

const called = { node: "node", km: "key manager", controller: "controller" } as const;

export const time = { type: "string", format: "date-time", description: "RFC 3339, UTC" } as const;
export const topicLevel = { type: "string", pattern: "^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$" } as const;

export function boot(program: Program): Schema {
  return about(
    { type: "integer", minimum: 1 },
    `starts of the ${called[program]} on its state so far`,
  );
}

export const incarnation = about(
  text,
  "random bits of this start; another with a `boot` that is not higher: the state was put back from a copy",
);

export function object(
  description: string,
  properties: Readonly<Record<string, Schema>>,
  optional: readonly string[] = [],
): Schema {
  const { type, ...rest } = plainObject(properties, optional);
  return { type, description, ...rest };
}

function alarmProperties(names: readonly string[], kindOf: (name: string) => AlarmKind) {
  return {
    alarm: about(
      text,
      "stable id: `NAME.OBJECT`; with `:` for `.` the last level of the alarm's topic",
    ),
    name: oneOf(...names),
    object: text,
    severity: about(oneOf(...levels), "ITU-T X.733"),
    active: about(flag, "false: the condition is over, the alarm waits to be acknowledged"),
    acknowledged: flag,
    acknowledged_by: about(text, "id of the command key"),
    flapping: about(flag, "comes and goes: not told each time"),
    latched: about(flag, "stays until it was acknowledged"),
    event_type: oneOf(
      "communications",
      "quality_of_service",
      "processing_error",
      "equipment",
      "environmental",
      "security",
    ),
    probable_cause: about(
      oneOf(...new Set(names.map((name) => kindOf(name).cause))),
      "ITU-T X.733, X.736",
    ),
    text: about(text, "what is the matter"),
    action: about(text, "what to do about it"),
    value: about(number, "what raised it"),
    threshold: number,
    detail: { type: "string", maxLength: 256 },
    raised: time,
    changed: time,
    cleared: time,
    count: about(count, "how often the condition came"),
  };
}

const rare = ["acknowledged_by", "value", "threshold", "detail", "cleared"];

/** @param names of all alarms of the program */
export function alarmState(
  names: readonly string[],
  kindOf: (name: string) => AlarmKind,
  program: Program = "node",
): Schema {
  return object(
    "State of an alarm. A cleared one is published so, then its retained message is removed.",
    { boot: boot(program), ...alarmProperties(names, kindOf) },
    rare,
  );
}

/** The same as facts of an event. */
export function alarmFacts(names: readonly string[], kindOf: (name: string) => AlarmKind): Schema {
  const { text: _text, action: _action, ...facts } = alarmProperties(names, kindOf);
  return object("The alarm at that moment.", facts, rare);
}

export const anyFacts = {
  type: "object",
  additionalProperties: { type: ["string", "number", "boolean"] },
};

export function eventHead(program: Program) {
  return {
    event_id: about(text, `${program}, boot, incarnation and sequence; a repeat has the same`),
    sequence: about(
      { type: "integer", minimum: 1 },
      `since the ${called[program]}'s start, without gaps`,
    ),
    boot: boot(program),
    t: time,
  };
}

/** What is signed of a command. @param graves what must name the boot counter */
export function signed(program: Program, names: readonly string[], graves: string): Schema {
  return object(
    "What is signed: JWS compact serialization, header `{alg: EdDSA, kid}`, Ed25519. The message on " +
      "the topic is the JWS.",
    {
      id: { type: "string", pattern: "^[\\w.-]{1,64}$" },
      command: oneOf(...names),
      [program]: about(topicLevel, `the ${called[program]} it is for`),
      counter: about(
        { type: "integer", minimum: 1 },
        "grows with each command of the key; ms since 1970 will do",
      ),
      issued: time,
      expires: about(time, "at most a day after `issued`"),
      boot: about({ type: "integer", minimum: 1 }, graves),
      incarnation: about(
        { type: "string", minLength: 1, maxLength: 64 },
        "the start it is for, as `status` names it: no other carries it out",
      ),
      args: about({ type: "object" }, "see the table of commands"),
    },
    ["boot", "incarnation", "args"],
  );
}

/** What became of a command. */
export function resultOf(program: Program): Schema {
  return object(
    "What became of a command.",
    {
      command: text,
      id: about(text, "of the command; absent if nobody with a known key has signed it"),
      status: oneOf("done", "failed", "refused"),
      reason: about(text, "why not"),
      earlier: about(text, "with `already_executed`: what became of it the first time"),
      facts: about(anyFacts, "what came of it"),
      [program]: topicLevel,
      boot: boot(program),
      t: time,
    },
    ["id", "reason", "earlier", "facts"],
  );
}

/** Birth, goodbye and will. @param facts what it is by, at any time */
export function birthOf(program: Program, facts: Readonly<Record<string, Schema>>): Schema {
  return object(
    `Birth, goodbye, and the will that the broker sends for a ${called[program]} that is lost.`,
    {
      status: oneOf("online", "offline"),
      ...facts,
      incarnation,
      reason: about(oneOf("stopped", "connection lost"), "only with `offline`"),
      t: about(time, "RFC 3339, UTC; a will has none"),
    },
    ["reason", "t"],
  );
}

/** @param names of all commands of the program */
export function commandsOf(names: readonly string[]): Schema {
  return about(list(oneOf(...names)), "commands that it can carry out; empty if it takes none");
}

/** What the telemetry of a program has of its alarms, and of its messages. */
export const ownFigures = {
  alarms: about(mapOf(count), `how many are raised, by severity: ${levels.slice(1).join(", ")}`),
  dropped_telemetry: about(count, "messages of figures that were dropped"),
  dropped_events: about(count, "events that were given up"),
  waiting_events: about(count, "events that wait for the broker"),
};

/** Alarms, commands, and what else happens. @param others by program */
export function eventOf(
  program: Program,
  names: readonly string[],
  kindOf: (name: string) => AlarmKind,
  ...others: readonly Schema[]
): Schema {
  const head = eventHead(program);
  const command = (description: string, type: string) =>
    object(description, { ...head, type: oneOf(type), facts: anyFacts });
  return {
    description:
      "Something that happened, in order. Alarm transitions and audit events are never lost: they " +
      "may come twice, with the same event_id.",
    oneOf: [
      object("An alarm's transition.", {
        ...head,
        type: oneOf("alarm_raised", "alarm_changed", "alarm_acknowledged", "alarm_cleared"),
        facts: alarmFacts(names, kindOf),
      }),
      command("A command that was carried out.", "command"),
      command("A command that was not.", "command_refused"),
      ...others,
    ],
  };
}
