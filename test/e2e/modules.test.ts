import { createHmac } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "ava";
import { systemClock } from "../../src/base/clock.ts";
import { keyBytes } from "../conformance/qmlp.ts";
import { Broker } from "../emulator/broker.ts";
import { PairEnd, type TransportKind } from "../emulator/end.ts";
import { KeyManager } from "../emulator/km/index.ts";
import { QcryptoStack } from "../emulator/qcrypto.ts";
import { eventually } from "../eventually.ts";
import { Contract } from "../rig/contract.ts";
import { NodeProcess } from "../rig/node-process.ts";

const each = 25;
const bits = 2_048;
const secret = Buffer.alloc(32, 3);
const epoch = "00112233aabbccdd";

interface Source {
  /** The driver's table of the configuration. */
  readonly driver: string;
  /** Has it distil a block that no other has. */
  distil(number: number, bytes: Buffer): void;
  held(): number;
  close(): void;
}

function qmlp(folder: string, transport: TransportKind, moduleId: string): Source {
  const own = join(folder, transport);
  const end = new PairEnd({
    role: "alice",
    folder: own,
    transport,
    baud: 0,
    clock: systemClock,
    seed: 1,
    maxBlocks: undefined,
    telemetry: () => ({ values: { qber: 0.02 } }),
  });
  end.module.identity = { ...end.module.identity, moduleId };
  end.plug();
  const q = JSON.stringify;
  const tables = {
    serial: `kind = "qmlp"\npath = ${q(join(own, "alice.tty"))}`,
    pcie: `kind = "qmlp-pcie"\npath = ${q(join(own, "alice"))}`,
    socket: `kind = "qmlp-socket"\naddress = ${q(`unix:${join(own, "alice.sock")}`)}`,
  };
  return {
    driver: tables[transport],
    distil: (number, bytes) =>
      end.module.distill({ ref: { epoch, number }, bits, qber: 0.02 }, bytes),
    held: () => end.module.heldBlocks,
    close() {
      end.unplug();
      end.module.close();
    },
  };
}

function qcrypto(folder: string): Source {
  // A file: what a pipe has told a node that is killed then is gone, and its block is withheld.
  const stack = new QcryptoStack(join(folder, "qcrypto"), "file");
  const q = JSON.stringify;
  return {
    driver: `kind = "qcrypto"
folder = ${q(stack.folder)}
pipe = ${q(stack.pipe)}
module_id = "QKD-Q-0001"
matching_module_id = "QKD-B-0001"
role = "alice"`,
    distil: (number, bytes) =>
      stack.distil({ epoch: 5 * number, bits, bytes, siftedBits: 1, qber: 0.02, epochs: 5 }),
    held: () => stack.epochs().length,
    close: () => stack.close(),
  };
}

/** The last mean that a module's telemetry showed to the manager. */
function qberOf(broker: Broker, module: string): number | undefined {
  const topic = `qkdn/v1/node/module/${module}/telemetry`;
  return broker.messages
    .filter((message) => message.topic === topic)
    .map(({ payload }) => JSON.parse(payload.toString()).figures.qber?.mean as number | undefined)
    .findLast((mean) => mean !== undefined);
}

test.serial("one node serves modules of every kind at once, each key once", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "qkd-modules-"));
  const km = new KeyManager({ security: "plain" });
  const port = await km.listen();
  const broker = new Broker();
  await broker.listen();
  for (const name of ["serial", "pcie", "socket"]) mkdirSync(join(folder, name));
  const sources: Record<string, Source> = {
    serial: qmlp(folder, "serial", "QKD-A-0001"),
    pcie: qmlp(folder, "pcie", "QKD-A-0002"),
    socket: qmlp(folder, "socket", "QKD-A-0003"),
    qcrypto: qcrypto(folder),
  };
  const modules = Object.entries(sources).map(
    ([name, { driver }]) =>
      `[[module]]\nname = "${name}"\nkm = "local"\n[module.driver]\n${driver}\n`,
  );
  const config = join(folder, "node.toml");
  writeFileSync(
    config,
    `[node]\nid = "node"\nstate_dir = ${JSON.stringify(join(folder, "state"))}
[km.local]\nhost = "127.0.0.1"\nport = ${port}\ntransport = "plain"
[manager]\nurl = "mqtt://127.0.0.1:${broker.port}"\nprotocol = 4\ntelemetry_interval_s = 0.2
[web]
port = 0
${modules.join("")}`,
  );
  const node = new NodeProcess(config, join(folder, "log.txt"));
  node.start();
  const expected = new Set<string>();
  let number = 1;
  try {
    for (let i = 0; i < each; i++) {
      for (const source of Object.values(sources)) {
        const bytes = keyBytes(number, bits);
        expected.add(createHmac("sha256", secret).update(bytes).digest("hex"));
        source.distil(number++, bytes);
      }
      if (i === 10) await node.stop("SIGKILL");
      if (i === 10) node.start();
      await new Promise((resolve) => setImmediate(resolve));
    }
    const held = () => Object.values(sources).map((source) => source.held());
    await eventually("blocks that modules hold", held, { is: [0, 0, 0, 0] });
    const contents = [...km.store.digest(secret).values()];
    t.is(contents.length, 4 * each);
    t.true(contents.every((content) => expected.delete(content)));
    // Whatever the driver: the same names, units and ranges, and nothing that the module did not say.
    const qbers = () => Object.keys(sources).map((name) => qberOf(broker, name));
    const told = { when: (all: unknown[]) => !all.includes(undefined) };
    t.deepEqual(await eventually("QBER of each", qbers, told), [0.02, 0.02, 0.02, 0.02]);
    const contract = Contract.load();
    for (const message of broker.messages) t.deepEqual(contract.check(message).problems, []);
    t.is(await node.stop(), 0);
  } finally {
    await node.stop("SIGKILL");
    for (const source of Object.values(sources)) source.close();
    await km.close();
    await broker.close();
    rmSync(folder, { recursive: true, force: true });
  }
});
