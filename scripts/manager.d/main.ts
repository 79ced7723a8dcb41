/** `scripts/manager`: a small manager for the command line. */
import { createPrivateKey } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import mqtt, { type MqttClient } from "mqtt";
import { commandNames } from "../../src/control/commands.ts";
import { level, nameOf, topicNames } from "../../src/manager/topics.ts";
import { describe } from "../../src/port/errors.ts";
import {
  type BrokerOptions,
  type Options,
  readOptions,
  type Task,
  UsageError,
  usage,
} from "./options.ts";
import { alarmLine, line, type Told } from "./print.ts";
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

/** Calls `heard` for every message of the nodes; an empty one is a retained one removed. */
async function listen(
  client: MqttClient,
  base: string,
  filter: string,
  heard: (told: Told) => void,
): Promise<void> {
  client.on("message", (topic, bytes) => {
    const [node = "", ...rest] = topic.slice(base.length + 1).split("/");
    let payload: unknown;
    try {
      payload = bytes.length === 0 ? undefined : JSON.parse(bytes.toString("utf8"));
    } catch {
      return complain(`${JSON.stringify(topic)}: not JSON`);
    }
    heard({ node: nameOf(node), topic: rest.map(nameOf).join("/"), payload });
  });
  await client.subscribeAsync(`${base}/${filter}`, { qos: 1 });
}

/** Resolves when the program is told to end. */
function told(): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => resolve());
    process.stdout.on("error", () => resolve());
  });
}

const after = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

async function watch(options: Options, node: string | undefined): Promise<number> {
  const client = await connect(options.broker);
  const ended = told();
  await listen(client, options.broker.base, `${level(node ?? "+")}/#`, (heard) => {
    const text = options.json ? JSON.stringify(heard) : line(heard);
    if (text !== undefined) say(text);
  });
  await ended;
  await client.endAsync(true);
  return exit.ok;
}

async function alarms(options: Options, task: Extract<Task, { kind: "alarms" }>): Promise<number> {
  const client = await connect(options.broker);
  const raised = new Map<string, Told>();
  await listen(client, options.broker.base, `${level(task.node ?? "+")}/alarm/+`, (heard) => {
    const key = `${heard.node}/${heard.topic}`;
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
    say(`commands = [] # of ${commandNames.join(", ")}`);
  }
  return exit.ok;
}

async function send(options: Options, task: Extract<Task, { kind: "send" }>): Promise<number> {
  const { node, command, args, keyFile, boot, lifeMs, waitMs } = task;
  let key: ReturnType<typeof createPrivateKey>;
  try {
    key = createPrivateKey(read(keyFile) as string);
  } catch (error) {
    throw error instanceof FileError ? error : new FileError(`${keyFile}: not a private key`);
  }
  const { base } = options.broker;
  const names = topicNames(base, node);
  const draft = { node, command, args, issued: Date.now(), lifeMs };
  const signed = request(boot === undefined ? draft : { ...draft, boot });
  const client = await connect(options.broker);
  const result = Promise.withResolvers<Record<string, unknown> | undefined>();
  await listen(client, base, `${level(node)}/cmd/${command}/result`, ({ payload }) => {
    const answer = payload as Record<string, unknown> | undefined;
    if (answer?.id === signed.id) result.resolve(answer);
  });
  await client.publishAsync(names.command(command), signJws(signed, { id: task.id, key }), {
    qos: 1,
  });
  void after(waitMs).then(() => result.resolve(undefined));
  const answer = await result.promise;
  await client.endAsync(true);
  if (answer === undefined) {
    complain("no answer: whether it was carried out is not known");
    return exit.unavailable;
  }
  if (options.json) say(JSON.stringify(answer));
  else say(line({ node, topic: `cmd/${command}/result`, payload: answer }) ?? "");
  return answer.status === "done" ? exit.ok : exit.notDone;
}

async function run(options: Options): Promise<number> {
  const { task } = options;
  switch (task.kind) {
    case "watch":
      return watch(options, task.node);
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
// A result that came does not wait for the timer that would have given it up.
process.exit();
