import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { create, type MessageInitShape, ScalarType, toBinary } from "@bufbuild/protobuf";
import test from "ava";
import { EdgeNode, type Message } from "../../../../src/ops/sparkplug/edge.ts";
import { asksForRebirth, type Metric } from "../../../../src/ops/sparkplug/payload.ts";
import {
  type Payload_MetricSchema,
  PayloadSchema,
} from "../../../../src/ops/sparkplug/sparkplug_b_pb.ts";
import { rounds } from "../../../campaign-scale.ts";
import { random } from "../../../random.ts";
import { rebirthCommand, SparkplugHost } from "../../../rig/sparkplug-host.ts";

const name = { group: "qkd", edge: "node-a" };

/** What a broker passes on to the host. */
function hear(host: SparkplugHost, ...messages: (Message | undefined)[]): void {
  for (const message of messages) {
    if (message === undefined) continue;
    const { type, topic, payload } = message;
    host.take({ topic, payload, qos: type === "NDEATH" ? 1 : 0, retain: false });
  }
}

const text = (metric: string, value: string | undefined): Metric => ({
  name: metric,
  type: "String",
  value,
});
const double = (metric: string, value: number | undefined, more = {}): Metric => ({
  name: metric,
  type: "Double",
  value,
  ...more,
});
const whole = (metric: string, value: number): Metric => ({ name: metric, type: "UInt64", value });

test("an independent decoder reads every type, null, quality and unit as it was written", (t) => {
  const edge = new EdgeNode(name);
  const host = new SparkplugHost();
  const will = edge.connecting(5);
  t.is(SparkplugHost.deathOf(will.payload), 0);
  hear(host, edge.birth([text("a/ü", "Größe 8 µm"), whole("big", 2 ** 52 + 1)], 1_700_000_000_000));
  hear(
    host,
    edge.device("alice", [double("qber", 0.0312, { unit: "1" }), text("reason", undefined)], 1),
  );
  t.deepEqual(host.problems, []);
  t.is(host.metrics.get("/a/ü")?.value, "Größe 8 µm");
  t.is(Number(String(host.metrics.get("/big")?.value)), 2 ** 52 + 1);
  t.like(host.metrics.get("alice/qber"), { type: "Double", value: 0.0312, unit: "1" });
  t.is(host.metrics.get("alice/reason")?.value, undefined);
  hear(
    host,
    edge.device("alice", [double("qber", -1e-9, { quality: 500 }), text("reason", "")], 2),
  );
  t.like(host.metrics.get("alice/qber"), { value: -1e-9, quality: 500 });
  t.is(host.metrics.get("alice/reason")?.value, "");
  t.deepEqual(host.problems, []);
});

test("a thousand messages of a course by chance keep every rule of the specification", (t) => {
  const next = random(31);
  const edge = new EdgeNode(name);
  const host = new SparkplugHost();
  const devices = ["alice", "bob"];
  const figures = new Map(devices.map((device) => [device, 1]));
  const metricsOf = (device: string) => [
    text("State/reason", next() < 0.1 ? "x" : ""),
    ...Array.from({ length: figures.get(device) ?? 1 }, (_, i) =>
      double(`Telemetry/${i}`, Math.floor(next() * 3)),
    ),
  ];
  const birth = () => {
    hear(host, edge.birth([text("version", "1"), whole("boot", 3)], 1));
    for (const device of devices) hear(host, edge.device(device, metricsOf(device), 1));
  };
  let bdSeq = -1;
  const connect = () => {
    const will = edge.connecting(1);
    bdSeq = (bdSeq + 1) % 256;
    t.is(SparkplugHost.deathOf(will.payload), bdSeq);
    t.is(edge.data([text("version", "2")], 1), undefined, "no data before a birth");
    t.is(edge.device("alice", metricsOf("alice"), 1), undefined);
    birth();
    t.is(host.bdSeq, bdSeq, "the will's bdSeq is the birth's");
    return will;
  };
  let will = connect();
  for (let i = 0; i < 4_000; i++) {
    const draw = next();
    const device = devices[Math.floor(next() * 2)] as string;
    if (draw < 0.002) hear(host, edge.deviceDeath(device, 1));
    else if (draw < 0.004) birth();
    else if (draw < 0.006) figures.set(device, (figures.get(device) ?? 1) + 1);
    else if (draw < 0.008) {
      hear(host, will);
      t.is(host.online.size, 0);
      will = connect();
    } else if (draw < 0.1) hear(host, edge.data([text("version", "1"), whole("boot", i)], 1));
    else hear(host, edge.device(device, metricsOf(device), 1));
  }
  t.deepEqual(host.problems.slice(0, 5), []);
  for (const type of ["NBIRTH", "NDATA", "NDEATH", "DBIRTH alice", "DDATA bob", "DDEATH alice"]) {
    t.true(host.types.includes(type), type);
  }
  t.true(host.types.length > 1_000);
});

test("sequence numbers are 0 to 255 and begin anew, bdSeq as well; a rebirth keeps bdSeq", (t) => {
  const edge = new EdgeNode(name);
  const host = new SparkplugHost();
  for (let connection = 0; connection < 600; connection++) edge.connecting(1);
  hear(host, edge.birth([whole("boot", 0)], 1));
  t.is(host.bdSeq, 599 % 256);
  for (let i = 1; i <= 600; i++) hear(host, edge.data([whole("boot", i)], 1));
  hear(host, edge.birth([whole("boot", 601)], 1));
  t.is(host.bdSeq, 599 % 256);
  t.deepEqual(host.problems, []);
  t.is(host.types.filter((type) => type === "NDATA").length, 600);
});

test("what did not change is not told again; a figure that is new makes a new birth", (t) => {
  const edge = new EdgeNode(name);
  edge.connecting(1);
  edge.birth([whole("boot", 1)], 1);
  t.is(edge.data([whole("boot", 1)], 1), undefined);
  t.is(edge.device("m", [double("qber", 0.03)], 1)?.type, "DBIRTH");
  t.is(edge.device("m", [double("qber", 0.03)], 1), undefined);
  t.is(edge.device("m", [double("qber", 0.04)], 1)?.type, "DDATA");
  t.is(edge.device("m", [double("qber", 0.04, { quality: 500 })], 1)?.type, "DDATA");
  t.is(edge.device("m", [double("qber", 0.04), double("loss", 4)], 1)?.type, "DBIRTH");
  t.is(edge.deviceDeath("m", 1)?.type, "DDEATH");
  t.is(edge.deviceDeath("m", 1), undefined);
  t.is(edge.device("m", [double("qber", 0.04), double("loss", 4)], 1)?.type, "DBIRTH");
});

test("a host's checks find breaches: they can fail", (t) => {
  const edge = new EdgeNode(name);
  const host = new SparkplugHost();
  edge.connecting(1);
  const birth = edge.birth([whole("boot", 1)], 1);
  hear(host, edge.device("m", [double("qber", 0.03)], 1), birth);
  host.take({ ...birth, qos: 1, retain: true });
  hear(host, edge.device("m", [double("qber", 0.04)], 1));
  const found = host.problems.join("\n");
  for (const what of [
    /before NBIRTH/,
    /seq 1 after undefined/,
    /retained/,
    /QoS 1/,
    /before DBIRTH/,
  ])
    t.regex(found, what);
});

test("only the command for a rebirth is one", (t) => {
  t.true(asksForRebirth(rebirthCommand()));
  t.false(asksForRebirth(rebirthCommand(false)));
  t.false(asksForRebirth(Buffer.alloc(0)));
  const command = (metric: MessageInitShape<typeof Payload_MetricSchema>) =>
    Buffer.from(toBinary(PayloadSchema, create(PayloadSchema, { metrics: [metric] })));
  const yes = { case: "booleanValue", value: true } as const;
  t.true(asksForRebirth(command({ name: "Node Control/Rebirth", value: yes })));
  t.false(asksForRebirth(command({ name: "Node Control/Reboot", value: yes })));
  const one = { case: "longValue", value: 1n } as const;
  t.false(asksForRebirth(command({ name: "Node Control/Rebirth", value: one })));
});

test("hostile commands are no commands, and harm nothing", (t) => {
  const next = random(32);
  const good = rebirthCommand();
  let asked = 0;
  const tries = rounds(333_333);
  for (let i = 0; i < tries; i++) {
    const bytes =
      i % 2 === 0
        ? Buffer.from(Array.from({ length: Math.floor(next() * 60) }, () => next() * 256))
        : Buffer.from(good);
    if (i % 2 === 1) bytes[Math.floor(next() * bytes.length)] = next() * 256;
    if (asksForRebirth(bytes)) asked++;
  }
  t.true(asked < tries / 2);
  const breaches = {
    "longer than it is": Buffer.from([0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f]),
    "a number without end": Buffer.alloc(20, 0xff),
    "a group that is not ended": Buffer.from([0x0b]),
    "groups in groups": Buffer.alloc(16_000, 0x0b),
    "longer than any command": Buffer.concat([good, Buffer.alloc(16_384)]),
  };
  for (const [what, bytes] of Object.entries(breaches)) t.false(asksForRebirth(bytes), what);
  t.false(asksForRebirth(Buffer.alloc(16_384, Buffer.from([0x12, 0]))), "metrics of nothing");
});

test("the schema in use is the one of the .proto file, read by another library", (t) => {
  interface Field {
    readonly id: number;
    readonly type: string;
    readonly repeated: boolean;
    readonly partOf: { readonly name: string } | null;
  }
  interface Type {
    readonly fields: Readonly<Record<string, Field>>;
    readonly nested?: Readonly<Record<string, Type>>;
  }
  const require = createRequire(createRequire(import.meta.url).resolve("sparkplug-payload"));
  const { parse } = require("protobufjs") as {
    parse(text: string, options: object): { readonly root: { lookupType(name: string): Type } };
  };
  const file = new URL("../../../../src/ops/sparkplug/sparkplug_b.proto", import.meta.url);
  const { root } = parse(readFileSync(file, "utf8"), { keepCase: true });
  const read = ({ fields, nested = {} }: Type): unknown => [
    Object.entries(fields).map(([name, { id, type, repeated, partOf }]) =>
      [name, id, type, repeated, partOf?.name].join(" "),
    ),
    Object.fromEntries(Object.entries(nested).map(([name, type]) => [name, read(type)])),
  ];
  const described = ({ fields, nestedMessages }: typeof PayloadSchema): unknown => [
    fields.map((field) => {
      const { name, number, fieldKind, oneof } = field;
      const scalar =
        field.scalar === undefined ? undefined : ScalarType[field.scalar].toLowerCase();
      const message = field.message?.name;
      return [name, number, scalar ?? message, fieldKind === "list", oneof?.name].join(" ");
    }),
    Object.fromEntries(
      nestedMessages.map((each) => [each.name, described(each as typeof PayloadSchema)]),
    ),
  ];
  t.deepEqual(described(PayloadSchema), read(root.lookupType("org.eclipse.tahu.protobuf.Payload")));
});
