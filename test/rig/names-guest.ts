/**
 * A node whose KMs have names that the system resolves, in a namespace of its own for network and
 * mounts: `unshare -n -m node names-guest.ts slow|dns`. Prints what came of it, as JSON.
 */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { systemClock } from "../../src/base/clock.ts";
import { PairEnd } from "../emulator/end.ts";
import { KeyManager } from "../emulator/km/index.ts";
import { find } from "../find.ts";
import { patience } from "../patience.ts";
import { NodeProcess } from "./node-process.ts";

const folder = mkdtempSync(join(tmpdir(), "qkd-names-"));
const signal = patience(50_000);
const run = (program: string, ...args: readonly string[]) =>
  execFileSync(find(program) ?? program, args);

/** The system's own file, for this namespace. */
function replace(path: string, text: string): void {
  const file = join(folder, path.replaceAll("/", "_"));
  writeFileSync(file, text);
  run("mount", "--bind", file, path);
}

/** A node with these KMs, all of them on one port. */
function node(kms: Readonly<Record<string, string>>, port: number): NodeProcess {
  const config = join(folder, "node.toml");
  const parts = Object.entries(kms).map(
    ([name, host]) => `[km.${name}]
host = "${host}"
port = ${port}
transport = "plain"
connect_timeout_s = 3
`,
  );
  writeFileSync(
    config,
    `node = { id = "node", state_dir = ${JSON.stringify(join(folder, "state"))} }
web.enabled = false
${parts.join("")}
[[module]]
name = "alice"
km = ${JSON.stringify(Object.keys(kms))}
[module.driver]
kind = "qmlp"
path = ${JSON.stringify(join(folder, "alice.tty"))}
`,
  );
  return new NodeProcess(config, join(folder, "log.txt"));
}

const connected = (km: string) => new RegExp(`msg="KM connected" name=${km} `);
const late = (km: string) => new RegExp(`KM ${km}: .*no connection within`);
/** After the node's own questions, or where the system has other sources than the DNS, at the end of its time. */
const unnamed = (km: string) => new RegExp(`KM ${km}: .*no name server answers`);

/** A name with two addresses, of which one is dead, and the other over 250 ms away. */
async function slow(onEnd: (end: () => unknown) => void): Promise<object> {
  const way: ChildProcess = spawn(
    process.execPath,
    [...process.execArgv, fileURLToPath(new URL("slow-way.ts", import.meta.url))],
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  onEnd(() => way.kill("SIGKILL"));
  await once(way.stdout as NodeJS.ReadableStream, "data");
  replace(
    "/etc/hosts",
    `2001:db8::5 dead-first.example
10.9.0.2 dead-first.example
10.9.0.2 dead-last.example
2001:db8::5 dead-last.example
10.9.0.2 no-way.example
2001:db8:1::5 no-way.example
`,
  );
  const km = new KeyManager({ security: "plain" });
  onEnd(() => km.close());
  const port = await km.listen({ host: "10.9.0.1" });
  // To the last one's other address there is not even a way.
  const kms = {
    first: "dead-first.example",
    last: "dead-last.example",
    none: "no-way.example",
  };
  const daemon = node(kms, port);
  onEnd(() => daemon.stop("SIGKILL"));
  daemon.start();
  await Promise.all(Object.keys(kms).map((name) => daemon.logged(connected(name), signal)));
  return { late: daemon.lines.filter((line) => late("\\w+").test(line)) };
}

/** A DNS server that answers nothing, and a KM whose name is in a file. */
async function dns(onEnd: (end: () => unknown) => void): Promise<object> {
  const asked: string[] = [];
  const server = createSocket("udp4", (question) => asked.push(question.toString("latin1")));
  onEnd(() => server.close());
  await new Promise<void>((resolve) => server.bind(53, "127.0.0.53", resolve));
  replace("/etc/resolv.conf", "nameserver 127.0.0.53\n");
  replace("/etc/hosts", "127.0.0.1 localhost km.example\n");
  const km = new KeyManager({ security: "plain" });
  onEnd(() => km.close());
  const port = await km.listen({ host: "127.0.0.1" });
  const strangers = { away: "away.example", gone: "gone.example", lost: "lost.example" };
  const daemon = node({ ...strangers, main: "km.example" }, port);
  onEnd(() => daemon.stop("SIGKILL"));
  daemon.start();
  await daemon.logged(connected("main"), signal);
  const before = daemon.lines.filter((line) => late("\\w+").test(line));
  // The others wait by now, and go on waiting while the KM is restarted.
  await Promise.all(Object.keys(strangers).map((name) => daemon.logged(unnamed(name), signal)));
  await km.stop();
  await daemon.logged(/KM main: /, signal);
  daemon.lines.length = 0;
  await km.listen({ host: "127.0.0.1", port });
  await daemon.logged(connected("main"), signal);
  return {
    before,
    late: daemon.lines.filter((line) => late("main").test(line)),
    asked: [...new Set(asked.map((one) => /away|gone|lost|km/.exec(one)?.[0]))].sort(),
  };
}

const ends: (() => unknown)[] = [];
try {
  run("ip", "link", "set", "lo", "up");
  const end = new PairEnd({
    ...{ role: "alice", folder, transport: "serial", baud: 0, clock: systemClock, seed: 1 },
    maxBlocks: undefined,
    telemetry: () => ({ values: {} }),
  });
  end.plug();
  const play = process.argv[2] === "slow" ? slow : dns;
  const found = await play((one) => ends.unshift(one));
  process.stdout.write(`${JSON.stringify(found)}\n`);
} catch (error) {
  const log = join(folder, "log.txt");
  if (existsSync(log)) process.stderr.write(readFileSync(log));
  throw error;
} finally {
  for (const one of ends) await one();
  rmSync(folder, { recursive: true, force: true });
}
process.exit();
