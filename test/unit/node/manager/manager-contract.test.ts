import { readFileSync } from "node:fs";
import asyncApi from "@asyncapi/specs";
import { Ajv } from "ajv";
import addFormats from "ajv-formats";
import test from "ava";
import { contractFiles } from "../../../../scripts/contract.d/main.ts";
import { newKeyPair, signCommand } from "../../../../scripts/manager.d/sign.ts";
import {
  topicNames as controllerTopicNames,
  topics as controllerTopics,
} from "../../../../src/controller/manager/topics.ts";
import {
  topicNames as kmTopicNames,
  topics as kmTopics,
} from "../../../../src/km/manager/topics.ts";
import { topicNames, topics } from "../../../../src/node/manager/topics.ts";
import { nameOf, responseTopic } from "../../../../src/ops/manager/topics.ts";
import { figures } from "../../../../src/port/telemetry.ts";
import { Contract } from "../../../rig/contract.ts";
import { check } from "../../../rig/json-schema.ts";

const folder = new URL("../../../../contract/", import.meta.url);
const schema = (name: string) =>
  JSON.parse(readFileSync(new URL(`schemas/${name}.json`, folder), "utf8"));

test("contract/ is what scripts/contract makes of the code", (t) => {
  for (const [file, text] of contractFiles()) {
    t.is(readFileSync(new URL(file, folder), "utf8"), text, `${file}: run scripts/contract`);
  }
});

test("every topic of the code has a channel, and every reference leads somewhere", (t) => {
  const { document, published } = Contract.load();
  const ofKm = Object.keys(kmTopics).map((name) => `km_${name}`);
  const ofController = Object.keys(controllerTopics).map((name) => `controller_${name}`);
  const all = [...Object.keys(topics), ...ofKm, ...ofController];
  t.deepEqual([...published].sort(), all.sort());
  const text = JSON.stringify(document);
  for (const [, reference = ""] of text.matchAll(/"\$ref":"([^"]+)"/g)) {
    if (reference.startsWith("./")) {
      t.truthy(JSON.parse(readFileSync(new URL(reference, folder), "utf8")).description);
      continue;
    }
    let place: unknown = document;
    for (const step of reference.slice(2).split("/"))
      place = (place as Record<string, unknown>)[step];
    t.truthy(place, reference);
  }
});

test("the document is AsyncAPI 3 by its publishers' own schema, which finds what is wrong", (t) => {
  const { document } = Contract.load();
  const ajv = addFormats.default(new Ajv({ strict: false, meta: false, validateSchema: false }));
  // It brings draft 07's own schema along.
  const validate = ajv.compile(asyncApi.schemas["3.0.0"] as object);
  t.true(validate(document), JSON.stringify(validate.errors));
  const { channels, operations, ...rest } = document;
  const breaches = {
    "no info": { channels, operations, asyncapi: "3.0.0" },
    "an action that is none": {
      ...document,
      operations: { ...operations, x: { action: "publish", channel: { $ref: "#/channels/x" } } },
    },
    "QoS 3": {
      ...document,
      operations: {
        x: {
          action: "send",
          channel: { $ref: "#/channels/x" },
          bindings: { mqtt: { qos: 3, bindingVersion: "0.2.0" } },
        },
      },
    },
    "another version": { ...rest, asyncapi: "2.6.0" },
  };
  for (const [what, broken] of Object.entries(breaches)) t.false(validate(broken), what);
});

test("topics have at most seven slashes with the longest base", (t) => {
  const names = topicNames("a/b/c", "n");
  const ofKm = kmTopicNames("a/b/c", "k");
  const ofController = controllerTopicNames("a/b/c", "c");
  for (const topic of [
    ...[names.telemetry("m"), names.result("c"), names.alarm("x"), names.kq1("m")],
    ...[ofKm.linkTelemetry("l"), ofKm.module("m"), ofKm.result("c"), ofKm.alarm("x")],
    ...[ofController.link("l"), ofController.result("c"), ofController.alarm("x")],
  ]) {
    t.true(topic.split("/").length <= 8, topic);
  }
});

test("no name makes a dot in a topic: NATS before 2.10 would end the connection at each", (t) => {
  const names = topicNames("qkdn/v1", "node.a");
  const alarm = names.alarm("module_fault.m.1.laser_fault");
  const all = [names.status, names.commands, names.state("m.1"), names.kq1("m.1"), alarm];
  for (const topic of all) t.false(topic.includes("."), topic);
  t.is(nameOf(alarm.split("/").at(-1) as string), "module_fault.m.1.laser_fault");
});

test("a signed command is what the contract says is signed", (t) => {
  const { key } = newKeyPair();
  const draft = {
    command: "zeroize",
    node: "node-a",
    boot: 3,
    args: { module: "m" },
    issued: Date.now(),
  };
  const [, body = ""] = signCommand(draft, { id: "noc", key }).split(".");
  const value = JSON.parse(Buffer.from(body, "base64url").toString());
  t.deepEqual(check(value, schema("command"), "command"), []);
});

test("figures of the telemetry schema are those of the port, with their ranges", (t) => {
  const { properties } = schema("telemetry").properties.figures;
  t.deepEqual(Object.keys(properties), Object.keys(figures));
  t.is(properties.qber.properties.mean.maximum, figures.qber.max);
  t.is(properties.dark_counts.properties.last.type, "array");
});

test("the checker finds what is wrong: it can fail", (t) => {
  const { check: of } = Contract.load();
  t.is(typeof of, "function");
  const state = {
    module: "DOWN",
    link: "OFF",
    km: "UP",
    reason: "",
    since: "2026-01-01T00:00:00.000Z",
    health: {
      level: "good",
      verdict: "good",
      ready: true,
      text: "Keys flow",
      since: "2026-01-01T00:00:00.000Z",
    },
  };
  const problems = (change: object) => check({ ...state, ...change }, schema("state"), "state");
  t.deepEqual(problems({}), []);
  t.deepEqual(problems({ module: "UP" }), [
    "state/module: must be equal to one of the allowed values",
  ]);
  t.deepEqual(problems({ since: "yesterday" }), ['state/since: must match format "date-time"']);
  t.deepEqual(problems({ reason: 1 }), ["state/reason: must be string"]);
  t.deepEqual(problems({ more: 1 }), ["state: must NOT have additional properties (more)"]);
  const { reason: _, ...less } = state;
  t.deepEqual(check(less, schema("state"), "state"), [
    "state: must have required property 'reason'",
  ]);
});

test("a result goes to a response topic only where a node may be made to publish", (t) => {
  t.is(responseTopic("noc/replies/7", "qkdn/v1"), "noc/replies/7");
  for (const asked of [
    undefined,
    "",
    "qkdn/v1/node-a/status",
    "qkdn/v1",
    "$SYS/x",
    "spBv1.0/site/NCMD/node-b",
    "spBv1.0",
    "a/+/b",
    "a/#",
    "/a",
    "a\0b",
    "x".repeat(257),
    "a/b/c/d/e/f/g/h/i",
  ]) {
    t.is(responseTopic(asked, "qkdn/v1"), undefined, asked);
  }
});
