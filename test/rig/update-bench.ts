/**
 * An appliance's updates but for RAUC: the node's own part behind its real sockets, the image's own scripts
 * with their folders elsewhere, and in RAUC's place a program that takes a bundle whose first line is
 * `signed VERSION`.
 */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { systemClock } from "../../src/base/clock.ts";
import { silentLog } from "../../src/base/log.ts";
import { LocalApi, type LocalDeskParts } from "../../src/node/local/api.ts";
import type { NodeEvent, ShownPanel } from "../../src/node/model/manager.ts";
import { LocalServer } from "../../src/ops/local/server.ts";
import { openUpdates } from "../../src/ops/update/appliance.ts";
import { programPath } from "./programs.ts";

const scripts = fileURLToPath(
  new URL("../../board/common/rootfs_overlay/usr/lib/qkd-image/", import.meta.url),
);
const execute = promisify(execFile);

export class UpdateBench {
  readonly folder: string;
  readonly events: NodeEvent[] = [];
  /** What the chassis panel says. */
  panel: ShownPanel = {
    panel: "ok",
    tamper: "none",
    maintenance: true,
    zeroize: "none",
    halted: false,
    lamps: { supply: "green", alarm: "off" },
  };
  readonly #server: LocalServer;
  readonly #root: NodeJS.Timeout;

  private constructor(folder: string, appliance: boolean) {
    this.folder = folder;
    this.#install();
    const config = { node: { id: "node-a", state_dir: join(folder, "state") } };
    const onEvent = (event: NodeEvent) => this.events.push(event);
    const places = {
      installer: appliance ? join(folder, "image/update") : join(folder, "nothing"),
      requests: join(folder, "requests"),
      told: join(folder, "told"),
    };
    const parts = { clock: systemClock, log: silentLog, onEvent };
    const desk = new LocalApi({
      config,
      modules: [],
      updates: openUpdates(config as LocalDeskParts["config"], places, parts),
      panel: () => this.panel,
      control: {},
      ...parts,
    } as unknown as LocalDeskParts);
    this.#server = new LocalServer({
      path: this.socket,
      act: "owner",
      read: "group",
      maintenance: this.console,
      answer: (request, caller) => desk.answer(request, caller),
      ...parts,
    });
    // As the path unit does.
    let busy = false;
    this.#root = setInterval(() => {
      if (busy || !existsSync(join(folder, "requests/request"))) return;
      busy = true;
      void this.run("update", join(folder, "requests")).finally(() => {
        busy = false;
      });
    }, 20);
  }

  static async open(appliance = true): Promise<UpdateBench> {
    const bench = new UpdateBench(mkdtempSync(join(tmpdir(), "qkd-updates-")), appliance);
    await bench.#server.listen();
    return bench;
  }

  get socket(): string {
    return join(this.folder, "control");
  }

  /** The maintenance console's socket. */
  get console(): string {
    return join(this.folder, "console");
  }

  /** A bundle that RAUC's stand-in takes, or whatever else. */
  bundle(name: string, firstLine: string): string {
    const file = join(this.folder, name);
    writeFileSync(file, `${firstLine}\n${"payload ".repeat(100_000)}`);
    return file;
  }

  /** What was done to the machine. */
  get did(): string[] {
    const log = join(this.folder, "did");
    return existsSync(log) ? readFileSync(log, "utf8").trim().split("\n") : [];
  }

  /** Requests are carried out by the test, and not at once. */
  stopRoot(): void {
    clearInterval(this.#root);
  }

  /** Runs one of the image's scripts, as root would. */
  async run(name: string, ...args: readonly string[]): Promise<void> {
    const env = { ...process.env, PATH: `${join(this.folder, "bin")}:${process.env.PATH}` };
    await execute(join(this.folder, "image", name), [...args], { env });
  }

  async close(): Promise<void> {
    clearInterval(this.#root);
    await this.#server.close();
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** The image's scripts, and what they call. */
  #install(): void {
    const { folder } = this;
    for (const name of ["image", "bin", "state", "told", "etc", "known", "requests"])
      mkdirSync(join(folder, name));
    const elsewhere: readonly (readonly [string, string])[] = [
      ["/run/qkd-update", "told"],
      ["/var/lib/qkd-node", "state"],
      ["/var/lib/qkd-image", "known"],
      ["/usr/lib/qkd-image", "image"],
      ["/usr/lib/qkd-node/bin", "bin"],
      ["/etc/qkd-node", "etc"],
      ["/run/qkd-slot", "slot"],
      ["/etc/os-release", "etc/os-release"],
      ["/etc/rauc/system.conf", "etc/system.conf"],
      ["sleep 2", "sleep 0"],
      ["sleep 10", "sleep 0"],
    ];
    for (const name of ["update", "slots", "pre-install"]) {
      let text = readFileSync(join(scripts, name), "utf8");
      for (const [from, to] of elsewhere) {
        text = text.replaceAll(from, to.startsWith("sleep") ? to : join(folder, to));
      }
      program(join(folder, "image", name), text);
    }
    writeFileSync(join(folder, "slot"), "a\n");
    writeFileSync(join(folder, "etc/os-release"), "ID=qkd-node\nVERSION_ID=1.2.0\n");
    writeFileSync(join(folder, "etc/system.conf"), "[system]\ncompatible=bench\n");
    // systemd-boot's files and their names, in short.
    program(
      join(folder, "image/boot-slot"),
      `#!/bin/sh
case $1 in
  get-primary) [ -e ${folder}/b-good ] && echo b || echo a ;;
  get-state) [ "$2" = a ] || [ -e ${folder}/b-good ] && echo good || echo bad ;;
esac
`,
    );
    // With the rights of the one user that there is.
    program(
      join(folder, "bin/setpriv"),
      '#!/bin/sh\nwhile [ "$1" != -- ]; do shift; done\nshift\nexec "$@"\n',
    );
    program(join(folder, "bin/qkd-image"), `#!/bin/sh\nexec ${programPath("qkd-image")} "$@"\n`);
    program(join(folder, "bin/systemctl"), `#!/bin/sh\necho "systemctl $*" >>${folder}/did\n`);
    program(
      join(folder, "bin/rauc"),
      `#!/bin/sh
echo "rauc $*" >>${folder}/did
[ "$1" = install ] || exit 1
echo "  0% Installing"
echo " 20% Checking bundle"
read -r signed version <"$2"
[ "$signed" = signed ] || { echo "LastError: signature verification failed"; exit 1; }
mkdir -p ${folder}/bundle
echo "version=$version" >${folder}/bundle/manifest.raucm
said=$(RAUC_UPDATE_SOURCE=${folder}/bundle ${folder}/image/pre-install 2>&1) ||
  { echo "LastError: $said"; exit 1; }
echo " 60% Copying image"
: >${folder}/b-good
echo "100% Installing done."
`,
    );
  }
}

/** Of a file, as requests and commands name it. */
export function sha256(file: string): string {
  return createHash("sha256").update(readFileSync(file)).digest("hex");
}

function program(path: string, text: string): void {
  writeFileSync(path, text);
  chmodSync(path, 0o755);
}

export async function withUpdates(
  body: (bench: UpdateBench) => Promise<void>,
  appliance = true,
): Promise<void> {
  const bench = await UpdateBench.open(appliance);
  try {
    await body(bench);
  } finally {
    await bench.close();
  }
}
