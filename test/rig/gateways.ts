/**
 * Two machines at the ends of a cable, on this one: each in namespaces for network, mounts and processes of its own,
 * with an `/etc` that it may change and an empty `/run`. What is said in `docs/use/` is typed there.
 */
import { type ChildProcess, execFile, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { promisify } from "node:util";
import test, { type ExecutionContext } from "ava";
import { find } from "../find.ts";

const flags = ["--net", "--mount", "--pid", "--fork", "--kill-child"];

const setup = `set -e
mount --make-rprivate /
mount -t proc proc /proc
mount -t tmpfs tmpfs "$0"
mkdir "$0/up" "$0/work"
mount -t overlay overlay -o "lowerdir=/etc,upperdir=$0/up,workdir=$0/work" /etc
mount -t tmpfs -o mode=755 tmpfs /run
ip link set lo up
echo ready
exec sleep infinity`;

/** Why there can be no gateways here; undefined if there can. */
function missing(programs: readonly string[]): string | undefined {
  for (const program of ["unshare", "nsenter", "ip", "ping", ...programs]) {
    if (find(program) === undefined) return `${program} is not installed`;
  }
  if (!existsSync("/dev/net/tun")) return "there is no /dev/net/tun";
  const made = spawnSync("unshare", [...flags, "true"]);
  return made.status === 0 ? undefined : "only root may make a namespace";
}

/** A test that needs gateways and these programs: without them it is skipped, visibly, and fails in CI. */
export function testWithGateways(
  programs: readonly string[],
  title: string,
  body: (t: ExecutionContext) => Promise<void>,
): void {
  const why = missing(programs);
  if (why === undefined) test.serial(title, body);
  else if (process.env.CI === "true") test.serial(title, (t) => t.fail(why));
  else test.skip(`${title} (skipped, because ${why})`, () => {});
}

export class Gateway {
  readonly #guest: ChildProcess;
  readonly #pid: number;
  readonly #folder: string;

  private constructor(guest: ChildProcess, pid: number, folder: string) {
    this.#guest = guest;
    this.#pid = pid;
    this.#folder = folder;
  }

  /** Two of them, 192.0.2.1 and 192.0.2.2, with a cable between them. @param folder that is removed later */
  static async pair(folder: string): Promise<[Gateway, Gateway]> {
    const a = await Gateway.#start(`${folder}/gateway-a`);
    const b = await Gateway.#start(`${folder}/gateway-b`);
    const ends = ["netns", String(a.#pid), "type", "veth", "peer", "name", "eth0"];
    spawnSync("ip", ["link", "add", "eth0", ...ends, "netns", String(b.#pid)]);
    await a.type("ip address add 192.0.2.1/24 dev eth0; ip link set eth0 up");
    await b.type("ip address add 192.0.2.2/24 dev eth0; ip link set eth0 up");
    return [a, b];
  }

  static async #start(folder: string): Promise<Gateway> {
    mkdirSync(folder, { recursive: true });
    const guest = spawn("unshare", [...flags, "sh", "-c", setup, folder], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    await once(guest.stdout, "data");
    // The first process in there, as it is called out here.
    const children = readFileSync(`/proc/${guest.pid}/task/${guest.pid}/children`, "utf8");
    return new Gateway(guest, Number(children.trim()), folder);
  }

  /** What a person types as root. @returns what it prints @throws Error with what it complains of */
  async type(script: string): Promise<string> {
    const { stdout } = await promisify(execFile)("nsenter", this.#args(script), {
      timeout: 40_000,
    });
    return stdout;
  }

  /** The same, and it runs on. */
  begin(script: string): ChildProcess {
    return spawn("nsenter", this.#args(script), { stdio: ["ignore", "pipe", "pipe"] });
  }

  #args(script: string): string[] {
    return ["-t", String(this.#pid), "-n", "-m", "-p", "sh", "-ec", script];
  }

  /** Writes a file of this machine. */
  async write(path: string, text: string, mode = 0o600): Promise<void> {
    const file = `${this.#folder}.file`;
    rmSync(file, { force: true });
    writeFileSync(file, text, { mode });
    await this.type(`mkdir -p "$(dirname '${path}')"; cp -p '${file}' '${path}'`);
  }

  /** A launcher of a program that sees this machine's files, and this computer's network: for its way to the KM. */
  launcher(program: string): string {
    const file = `${this.#folder}.launcher`;
    writeFileSync(file, `#!/bin/sh\nexec nsenter -t ${this.#pid} -m '${program}' "$@"\n`, {
      mode: 0o755,
    });
    return file;
  }

  /** Ends everything that was begun in it. */
  async close(): Promise<void> {
    if (this.#guest.exitCode !== null || this.#guest.signalCode !== null) return;
    const closed = once(this.#guest, "close");
    this.#guest.kill("SIGKILL");
    await closed;
  }
}
