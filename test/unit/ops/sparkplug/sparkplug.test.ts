import test from "ava";
import { EdgeNode, type Message } from "../../../../src/ops/sparkplug/edge.ts";
import { asksForRebirth, type Metric } from "../../../../src/ops/sparkplug/payload.ts";
import { fieldsOf, Writer } from "../../../../src/ops/sparkplug/protobuf.ts";
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
  const other = new Writer().string(1, "Node Control/Reboot").bool(14, true).finish();
  t.false(asksForRebirth(new Writer().bytes(2, other).finish()));
  const byNumber = new Writer().string(1, "Node Control/Rebirth").uint(10, 1).finish();
  t.false(asksForRebirth(new Writer().bytes(2, byNumber).finish()));
});

test("hostile commands are no commands, and harm nothing", (t) => {
  const next = random(32);
  const good = rebirthCommand();
  let asked = 0;
  for (let i = 0; i < 100_000; i++) {
    const bytes =
      i % 2 === 0
        ? Buffer.from(Array.from({ length: Math.floor(next() * 60) }, () => next() * 256))
        : Buffer.from(good);
    if (i % 2 === 1) bytes[Math.floor(next() * bytes.length)] = next() * 256;
    if (asksForRebirth(bytes)) asked++;
  }
  t.true(asked < 50_000);
  t.is(fieldsOf(Buffer.from([0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f])), undefined, "longer than it is");
  t.is(fieldsOf(Buffer.alloc(20, 0xff)), undefined, "a number without end");
  t.is(fieldsOf(Buffer.from([0x0b])), undefined, "a group");
});
