/**
 * Two boards at the ends of a fibre, each with module, node and key manager, and what a site's engineer has: sticks,
 * `scripts/site`, an application on either side. All but the boards runs on this machine.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { ports } from "../../scripts/site.d/draft.ts";
import { systemClock } from "../../src/base/clock.ts";
import { EmulatedPair } from "../emulator/pair.ts";
import { seedSource } from "../emulator/source/seed.ts";
import { ApplicationClient } from "../rig/application.ts";
import { freePort } from "../rig/free-port.ts";
import { Machine, type Settings } from "./machine.ts";
import { Stick } from "./stick.ts";

const tool = fileURLToPath(new URL("../../scripts/site.d/main.ts", import.meta.url));
/** Where a guest finds its host. */
const host = "10.0.2.2";
export const ends = ["alice", "bob"] as const;
export type End = (typeof ends)[number];
const modules = { alice: "QKD-A-0001", bob: "QKD-B-0001" } as const;
export const saes = { alice: "app-a", bob: "app-b" } as const;
/** Of the command line: the port for tests, and the console says which unit is started. */
export const shown = ["qkd.test", "systemd.show_status=true", "systemd.status_unit_format=name"];
const otherOf = { alice: "bob", bob: "alice" } as const;

export class TwoBoards {
  readonly folder: string;
  readonly boards: Readonly<Record<End, Machine>>;
  readonly #ports: Readonly<Record<End, Ports>>;
  readonly #controller: End | undefined;
  readonly #ids: Partial<Record<End, string>> = {};
  readonly #stopPlugs: Record<End, number> = { alice: 0, bob: 0 };
  #pair: EmulatedPair | undefined;
  #isDark = false;

  private constructor(
    folder: string,
    boards: TwoBoards["boards"],
    at: Record<End, Ports>,
    controller: End | undefined,
  ) {
    this.#controller = controller;
    this.folder = folder;
    this.boards = boards;
    this.#ports = at;
  }

  /**
   * @param more what differs from a kernel that is started straight away
   * @param controller which of them the network's controller is on; undefined: there is none
   */
  static async open(
    image: string,
    more: Partial<Settings> = {},
    controller?: End,
  ): Promise<TwoBoards> {
    const folder = mkdtempSync(join(tmpdir(), "qkd-boards-"));
    const at = {} as Record<End, Ports>;
    const boards = {} as Record<End, Machine>;
    for (const end of ends) {
      at[end] = { kx: await freePort(), etsi014: await freePort(), ck: await freePort() };
      mkdirSync(join(folder, end));
      boards[end] = new Machine({
        image,
        folder: join(folder, end),
        start: "direct",
        variables: join(folder, end, "variables"),
        cmdline: shown.join(" "),
        modules: [
          {
            id: end,
            on: "usb",
            serial: modules[end],
            socket: join(folder, "modules", `${end}.sock`),
          },
        ],
        // A board of 1 GB: what is left of it is measured.
        memoryMb: 1_024,
        ports: [
          [at[end].kx, ports.kx],
          [at[end].etsi014, ports.etsi014],
          [at[end].ck, ports.ck],
        ],
        ...more,
      });
    }
    const made = new TwoBoards(folder, boards, at, controller);
    made.#site("ca", join(folder, "ca"));
    made.#distil();
    return made;
  }

  /** Takes the requests of both blank boards, and brings them what `scripts/site` makes of those. */
  async provision(): Promise<void> {
    const sticks = {
      alice: new Stick(join(this.folder, "alice")),
      bob: new Stick(join(this.folder, "bob")),
    };
    for (const end of ends) await this.#collect(end, sticks[end]);
    for (const end of ends) await this.#configure(end, sticks[end]);
  }

  /** Requests come onto the stick, and from there to where an engineer has it mounted. */
  async #collect(end: End, stick: Stick): Promise<void> {
    await this.#plug(end, stick);
    const requests = stick.list().filter((name) => name.endsWith(".csr"));
    const node = requests.find((name) => name.startsWith("qkd-")) ?? "";
    if (!requests.includes(node.replace("qkd", "km"))) {
      throw new Error(`${end}: on the stick are ${stick.list().join(", ")}`);
    }
    this.#ids[end] = node.replace(".csr", "");
    mkdirSync(this.#mounted(end));
    for (const name of requests) {
      writeFileSync(join(this.#mounted(end), name), stick.read(name) ?? "");
    }
  }

  async #configure(end: End, stick: Stick): Promise<void> {
    const [mounted, other] = [this.#mounted(end), otherOf[end]];
    this.#site("certify", mounted, "--ca", join(this.folder, "ca"), "--name", "127.0.0.1");
    this.#site(
      ...["draft", mounted, "--module", modules[end], "--matching", modules[other]],
      ...["--path", `/dev/qkd/${modules[end]}`, "--peer", `${this.#ids[other]}@${host}`],
      ...["--sae", saes[end], "--peer-sae", saes[other]],
      ...this.#controllerWords(),
    );
    // The other board is behind a port of this machine.
    const km = join(mounted, "site/km.toml");
    const dialled = (port: number) => `host = "${host}"\nport = ${port}\n`;
    const text = readFileSync(km, "utf8")
      .replace(dialled(ports.kx), dialled(this.#ports[other].kx))
      .replace(dialled(ports.ck), dialled(this.#ports[other].ck));
    writeFileSync(km, text);
    for (const name of readdirSync(join(mounted, "site"))) {
      stick.put(`site/${name}`, readFileSync(join(mounted, "site", name), "utf8"));
    }
    await this.#plug(end, stick);
    const result = stick.read("result.txt") ?? "";
    if (!/^taken: /m.test(result)) throw new Error(`${end}: ${result}\n${await this.journal(end)}`);
  }

  #controllerWords(): string[] {
    const end = this.#controller;
    if (end === undefined) return [];
    return ["--controller", `${this.idOf(end).replace("qkd", "controller")}@${host}`];
  }

  #mounted(end: End): string {
    return join(this.folder, `${end}-stick`);
  }

  async #plug(end: End, stick: Stick): Promise<void> {
    const board = this.boards[end];
    this.#stopPlugs[end] += 1;
    await stick.plug(board);
    const count = "journalctl -q -b -o cat -u 'qkd-site@*' | grep -c 'may be pulled'";
    await board.until(
      async () => Number((await board.run(count)).output) >= this.#stopPlugs[end],
      900,
    );
    await stick.unplug(board);
  }

  /** The ID of the node at an end, once that was provisioned. */
  idOf(end: End): string {
    return this.#ids[end] ?? "";
  }

  /** Last lines of our units. */
  async journal(end: End): Promise<string> {
    const lines = "journalctl -b -q -o short-monotonic --no-hostname -u 'qkd-*' -n 60 --no-pager";
    return (await this.boards[end].run(lines)).output;
  }

  /** An application at one end. */
  application(end: End): ApplicationClient {
    const name = saes[end];
    const ec = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc"];
    const [key, csr] = [join(this.folder, `${name}.key`), join(this.folder, `${name}.csr`)];
    const request = ["-subj", `/CN=${name}`, "-keyout", key, "-out", csr];
    execFileSync("openssl", ["req", ...ec, ...request], { stdio: "pipe" });
    rmSync(join(this.folder, `${name}.crt`), { force: true });
    this.#site("certify", csr, "--ca", join(this.folder, "ca"));
    const id = this.#ids[end]?.replace("qkd", "km") ?? "";
    const files = { ca: join(this.folder, "ca/ca.crt"), cert: csr.replace(".csr", ".crt"), key };
    const at = { url: `https://127.0.0.1:${this.#ports[end].etsi014}`, serverName: id };
    return new ApplicationClient(at, { saeId: name, ...files });
  }

  /** No more keys come from the modules: what is on its way arrives, and then the books of both ends stand still. */
  darken(): void {
    this.#isDark = true;
  }

  #distil(): void {
    const source = seedSource({ seed: 27, blockBits: 8 * 256, clock: systemClock });
    const folder = join(this.folder, "modules");
    mkdirSync(folder);
    this.#pair = new EmulatedPair({
      folder,
      transport: "socket",
      baud: 0,
      source: { ...source, next: () => (this.#isDark ? undefined : source.next()) },
      blockIntervalMs: 2_000,
      clock: systemClock,
      maxBlocks: 100_000,
    });
  }

  #site(...args: string[]): string {
    return execFileSync(process.execPath, [tool, ...args], { encoding: "utf8", stdio: "pipe" });
  }

  async close(): Promise<void> {
    await Promise.all(ends.map((end) => this.boards[end].cutPower()));
    this.#pair?.close();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

interface Ports {
  readonly kx: number;
  readonly etsi014: number;
  readonly ck: number;
}
