/** `scripts/manager`: a small manager for the command line. */
import { createPrivateKey, randomBytes } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import mqtt, { type MqttClient } from "mqtt";
import { describe } from "../../src/base/errors.ts";
import { commands as controllerCommands } from "../../src/controller/commands/table.ts";
import { topicNames as controllerTopicNames } from "../../src/controller/manager/topics.ts";
import { commands as kmCommands } from "../../src/km/commands/table.ts";
import { topicNames as kmTopicNames } from "../../src/km/manager/topics.ts";
import { commands as nodeCommands } from "../../src/node/commands/table.ts";
import { topicNames } from "../../src/node/manager/topics.ts";
import { type CommandTable, isCommandOf, orderIn } from "../../src/ops/commands/table.ts";
import { level, nameOf } from "../../src/ops/manager/topics.ts";
import { guardOutput, outputHeard } from "../tool.ts";
import {
  type BrokerOptions,
  type Options,
  readOptions,
  type Subject,
  type Task,
  UsageError,
  usage,
} from "./options.ts";
import { alarmLine, commandLine, line, type Told } from "./print.ts";
import { newKeyPair, request, signJws } from "./sign.ts";

/** Of sysexits.h, but for 1. */
const exit = { ok: 0, notDone: 1, usage: 64, noInput: 66, unavailable: 69 } as const;

/** A file that the command line names can't be used. */
class FileError extends Error {}

const say = (text: string) => process.stdout.write(`${text}\n`);
const complain = (text: string) => process.stderr.write(`manager: ${text}\n`);

function read(file: string | undefined): string | undefined {
  try {
    return file === undefined ? undefined : readFileSync(file, "utf8");
  } catch (error) {
    throw new FileError(describe(error));
  }
}

async function connect(options: BrokerOptions): Promise<MqttClient> {
  const { url, protocol, username } = options;
  const [ca, cert, key] = [read(options.ca), read(options.cert), read(options.tlsKey)];
  const password = read(options.passwordFile)?.trimEnd();
  const client = await mqtt.connectAsync(
    url,
    {
      protocolVersion: protocol,
      connectTimeout: 10_000,
      ...(username !== undefined && { username }),
      ...(password !== undefined && { password }),
      ...(ca !== undefined && { ca }),
      ...(cert !== undefined && { cert }),
      ...(key !== undefined && { key }),
    },
    false,
  );
  client.on("error", (error) => complain(describe(error)));
  return client;
}

/** What there is of each kind of program. */
const programs = {
  node: { called: "node", table: nodeCommands, names: topicNames },
  km: { called: "key manager", table: kmCommands, names: kmTopicNames },
  controller: { called: "controller", table: controllerCommands, names: controllerTopicNames },
} as const;

/** Where what is told of one of them begins, below the base. */
const rootOf = ({ is, id }: Subject) => (is === "node" ? level(id) : `${is}/${level(id)}`);

/** Who tells on a topic below the base, and what is left of it. */
function tellerOf(topic: string): { readonly of: Subject; readonly rest: readonly string[] } {
  const [first = "", second = "", ...rest] = topic.split("/");
  if (first === "km" || first === "controller")
    return { of: { is: first, id: nameOf(second) }, rest };
  return { of: { is: "node", id: nameOf(first) }, rest: [second, ...rest] };
}

/** Calls `heard` for every message of nodes, key managers and controllers; an empty one is a retained one removed. */
async function listen(
  client: MqttClient,
  base: string,
  filters: readonly string[],
  heard: (told: Told, correlation?: Buffer) => void,
  command: (node: string, command: string, jws: string) => void = () => {},
): Promise<void> {
  client.on("message", (topic, bytes, { properties }) => {
    const { of, rest } = tellerOf(topic.slice(base.length + 1));
    const [kind, name = "", what] = rest;
    if (kind === "cmd" && what === undefined) {
      return command(of.id, nameOf(name), bytes.toString("latin1"));
    }
    let payload: unknown;
    try {
      payload = bytes.length === 0 ? undefined : JSON.parse(bytes.toString("utf8"));
    } catch {
      return complain(`${JSON.stringify(topic)}: not JSON`);
    }
    const is = of.is === "node" ? {} : { [of.is]: true as const };
    const told = { node: of.id, ...is, topic: rest.map(nameOf).join("/"), payload };
    heard(told, properties?.correlationData);
  });
  for (const filter of filters) await client.subscribeAsync(`${base}/${filter}`, { qos: 1 });
}

/** Resolves when the program is told to end. */
function told(): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => resolve());
    process.stdout.on("error", () => resolve());
  });
}

const after = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

async function watch(options: Options, of: Subject | undefined): Promise<number> {
  const client = await connect(options.broker);
  const ended = told();
  /** Lines of who is there: a birth is told again and again. */
  const there = new Map<string, string>();
  await listen(
    client,
    options.broker.base,
    [of === undefined ? "#" : `${rootOf(of)}/#`],
    (heard) => {
      if (options.json) return say(JSON.stringify(heard));
      const text = line(heard);
      if (text === undefined) return;
      if (heard.topic === "status") {
        const { node, km, controller } = heard;
        const who = JSON.stringify({ node, km, controller });
        if (there.get(who) === text) return;
        there.set(who, text);
      }
      say(text);
    },
    (to, command, jws) => {
      if (options.json) say(JSON.stringify({ node: to, topic: `cmd/${command}`, payload: jws }));
      else say(commandLine(to, command, jws));
    },
  );
  await ended;
  await client.endAsync(true);
  return exit.ok;
}

async function alarms(options: Options, task: Extract<Task, { kind: "alarms" }>): Promise<number> {
  const client = await connect(options.broker);
  const raised = new Map<string, Told>();
  const roots = task.of === undefined ? ["+", "km/+", "controller/+"] : [rootOf(task.of)];
  const filters = roots.map((root) => `${root}/alarm/+`);
  await listen(client, options.broker.base, filters, (heard) => {
    const is = heard.km ? "km" : heard.controller ? "controller" : "node";
    const key = `${is}/${heard.node}/${heard.topic}`;
    const severity = (heard.payload as { severity?: unknown } | undefined)?.severity;
    if (severity === undefined || severity === "cleared") raised.delete(key);
    else raised.set(key, heard);
  });
  // Nothing tells that all retained messages have come.
  await after(task.waitMs);
  await client.endAsync(true);
  for (const heard of raised.values()) {
    if (options.json) say(JSON.stringify(heard));
    else say(alarmLine(heard.node, heard.payload as Record<string, unknown>));
  }
  if (!options.json && raised.size === 0) say("no alarms");
  return exit.ok;
}

function keygen({ file, id }: Extract<Task, { kind: "keygen" }>, json: boolean): number {
  const { key, publicKey } = newKeyPair();
  try {
    const pem = key.export({ type: "pkcs8", format: "pem" });
    // Never over a key that is there: it could not be had back.
    writeFileSync(file, pem, { mode: 0o600, flag: "wx" });
  } catch (error) {
    throw new FileError(describe(error));
  }
  if (json) say(JSON.stringify({ id, public_key: publicKey }));
  else {
    const quote = JSON.stringify;
    say(`[[manager.command_key]]\nid = ${quote(id)}\npublic_key = ${quote(publicKey)}`);
    say(`commands = [] # of ${Object.keys(nodeCommands).join(", ")}`);
    for (const is of ["km", "controller"] as const) {
      const { called, table } = programs[is];
      say(`# for a ${called}: of ${Object.keys(table).join(", ")}`);
    }
  }
  return exit.ok;
}

/**
 * Arguments as the command wants them: texts, but for those that must be numbers or true to fit it.
 * An epoch or a key's ID may consist of digits.
 */
function typed(
  table: CommandTable,
  command: string,
  args: Readonly<Record<string, string>>,
): Record<string, unknown> {
  if (!isCommandOf(table, command) || orderIn(table, command, args) !== undefined) return args;
  return Object.fromEntries(
    Object.entries(args).map(([name, value]) => {
      if (value === "true") return [name, true];
      const number = /^-?\d+(\.\d+)?(e[+-]?\d+)?$/i.test(value) && !textual.includes(name);
      return [name, number ? Number(value) : value];
    }),
  );
}

/** Arguments that are texts in every command, also if they look like numbers. */
const textual = [
  ...["module", "module_id", "name", "alarm", "km", "key_ID", "reason", "epoch", "link"],
  ...["component", "id", "class"],
];

/** A broker has sent what it retains within this time, ms. */
const statusMs = 2_000;

async function send(options: Options, task: Extract<Task, { kind: "send" }>): Promise<number> {
  const { to, command, args, keyFile, boot, lifeMs, waitMs } = task;
  let key: ReturnType<typeof createPrivateKey>;
  try {
    key = createPrivateKey(read(keyFile) as string);
  } catch (error) {
    throw error instanceof FileError ? error : new FileError(`${keyFile}: not a private key`);
  }
  const { base } = options.broker;
  const { called, ...program } = programs[to.is];
  const names = program.names(base, to.id);
  const root = rootOf(to);
  const table: CommandTable = program.table;
  const whom = { [to.is]: to.id };
  const client = await connect(options.broker);
  let status: Record<string, unknown> | undefined;
  const toldStatus = Promise.withResolvers<void>();
  await listen(client, base, [`${root}/status`], ({ topic, payload }) => {
    if (topic !== "status") return;
    status = payload as typeof status;
    toldStatus.resolve();
  });
  // Nothing tells that a topic has no retained message.
  await Promise.race([toldStatus.promise, after(Math.min(waitMs, statusMs))]);
  const start = status?.status === "online" ? status.incarnation : undefined;
  const signed = request({
    ...{ ...whom, command, args: typed(table, command, args), issued: Date.now(), lifeMs },
    ...(boot !== undefined && { boot }),
    // An older program's birth has none, and takes no command that names one.
    ...(typeof start === "string" && { incarnation: start }),
  });
  const result = Promise.withResolvers<Record<string, unknown> | undefined>();
  const mark = randomBytes(16);
  await listen(client, base, [`${root}/cmd/${command}/result`], ({ payload }, correlation) => {
    const answer = payload as Record<string, unknown> | undefined;
    if (answer === undefined) return;
    // A node says nothing of what is in a command that it cannot verify: MQTT 5 tells whose answer it
    // is; with 3.1.1 a refusal without an id that comes now is taken for it.
    const nameless = answer.id === undefined && answer.status === "refused";
    const ours = correlation === undefined ? nameless : mark.equals(correlation);
    if (answer.id === signed.id || (nameless && ours)) result.resolve(answer);
  });
  // A node without command keys does not listen to commands at all.
  await listen(client, base, [`${root}/inventory`], ({ topic, payload }) => {
    const known = (payload as { commands?: unknown } | undefined)?.commands;
    if (topic !== "inventory" || !Array.isArray(known) || known.length > 0) return;
    result.resolve({ command, ...whom, status: "refused", reason: "no_command_key" });
  });
  await client.publishAsync(names.command(command), signJws(signed, { id: task.id, key }), {
    qos: 1,
    ...(options.broker.protocol === 5 && { properties: { correlationData: mark } }),
  });
  void after(waitMs).then(() => result.resolve(undefined));
  const answer = await result.promise;
  await client.endAsync(true);
  if (answer === undefined) {
    const why =
      status === undefined
        ? `this broker knows no ${called} of this name`
        : status.status === "online"
          ? "whether it was carried out is not known"
          : "it is offline; the command may still be carried out if only its connection was lost, until its time is over";
    complain(`no answer: ${why}`);
    return exit.unavailable;
  }
  if (options.json) say(JSON.stringify(answer));
  else say(line({ node: to.id, topic: `cmd/${command}/result`, payload: answer }) ?? "");
  return answer.status === "done" ? exit.ok : exit.notDone;
}

async function run(options: Options): Promise<number> {
  const { task } = options;
  switch (task.kind) {
    case "watch":
      return watch(options, task.of);
    case "alarms":
      return alarms(options, task);
    case "keygen":
      return keygen(task, options.json);
    case "send":
      return send(options, task);
  }
}

async function main(args: readonly string[]): Promise<number> {
  try {
    const options = readOptions(args);
    if (options !== "help") return await run(options);
    guardOutput("manager");
    process.stdout.write(usage);
    return exit.ok;
  } catch (error) {
    if (error instanceof UsageError) {
      complain(`${error.message} (scripts/manager --help tells more)`);
      return exit.usage;
    }
    if (error instanceof FileError) {
      complain(error.message);
      return exit.noInput;
    }
    complain(describe(error));
    return exit.unavailable;
  }
}

process.exitCode = await main(process.argv.slice(2));
await outputHeard();
// A result that came does not wait for the timer that would have given it up.
process.exit();
