/** An emulated board, seen and handled from outside: power, console, devices, and the port for tests. */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, readFileSync, rmSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { type MachineOptions, machineArguments } from "../../scripts/image.d/machine.ts";
import { Tpm } from "../../scripts/image.d/tpm.ts";
import { delay, systemClock } from "../../src/base/clock.ts";
import { Patience } from "../patience.ts";

export type Settings = Omit<MachineOptions, "console" | "monitor" | "testPort" | "disk" | "tpm"> & {
  /** For disk, console and sockets. */
  readonly folder: string;
  /** Folder of its TPM's state. */
  readonly tpm?: string;
  /** Ports of this machine that lead to ports of the guest. */
  readonly ports?: readonly (readonly [here: number, there: number])[];
};

/** Time in a board goes on by its instructions: it is never late, and slow on a busy host. */
export const ownTime = process.env.QKD_BOARD_TIME === "own";

/** So many times as long a deadline of this side's clock is then. */
export const slower = ownTime ? 4 : 1;

export interface Said {
  readonly code: number;
  readonly output: string;
}

export class Machine {
  #settings: Settings;
  readonly #console: string;
  #child: ChildProcess | undefined;
  #exited: Promise<void> = Promise.resolve();
  #tpm: Tpm | undefined;
  #monitor: Lines | undefined;
  #port: Lines | undefined;
  #typing: Lines | undefined;
  #marks = 0;
  #powered = false;
  #restarted: Promise<void> = Promise.resolve();
  /** When the power came on, ms of the monotonic clock. */
  startedAt = 0;

  constructor(settings: Settings) {
    this.#settings = settings;
    this.#console = join(settings.folder, "console.log");
  }

  get #paths() {
    const { folder } = this.#settings;
    return { monitor: join(folder, "monitor"), testPort: join(folder, "test-port") };
  }

  /** Switches it on. */
  async on(): Promise<void> {
    rmSync(this.#console, { force: true });
    this.startedAt = performance.now();
    this.#powered = true;
    await this.#begin();
  }

  /**
   * A process of QEMU for each start of the guest: one that is reset keeps what it has translated, and firmware
   * that writes over such memory takes a hundred times as long.
   */
  async #begin(): Promise<void> {
    const { folder, tpm, ports = [], ...rest } = this.#settings;
    for (const path of Object.values(this.#paths)) rmSync(path, { force: true });
    this.#tpm = tpm === undefined ? undefined : await Tpm.start(tpm);
    const args = await machineArguments({
      ...rest,
      ...this.#paths,
      ...(this.#tpm !== undefined && { tpm: this.#tpm.socket }),
      disk: join(folder, "disk.qcow2"),
      console: this.#console,
      ownTime,
    });
    args.push("-no-reboot");
    const forwards = ports.map(([here, there]) => `,hostfwd=tcp:127.0.0.1:${here}-:${there}`);
    const network = args.indexOf("user,id=net");
    args[network] = `${args[network]}${forwards.join("")}`;
    const child = spawn("qemu-system-aarch64", args, { stdio: ["ignore", "ignore", "pipe"] });
    let said = "";
    child.stderr.on("data", (text) => {
      said += text;
    });
    this.#child = child;
    this.#exited = new Promise((resolve) => child.once("close", () => resolve()));
    await this.until(() => {
      if (child.exitCode !== null) throw new Error(`QEMU ended: ${said}`);
      return existsSync(this.#paths.monitor);
    });
    this.#monitor = await Lines.open(this.#paths.monitor);
    await this.qmp("qmp_capabilities");
    child.once("close", (code) => {
      this.#restarted = this.#restart(code === 0 ? undefined : `QEMU ended: ${said}`);
    });
  }

  /** The guest began anew, unless the power was cut, or QEMU itself failed. */
  async #restart(failure: string | undefined): Promise<void> {
    if (!this.#powered) return;
    if (failure !== undefined) throw new Error(failure);
    this.#disconnect();
    await this.#tpm?.stop();
    if (this.#powered) await this.#begin();
  }

  #disconnect(): void {
    this.#monitor?.close();
    this.#port?.close();
    this.#port = undefined;
    this.#typing?.close();
    this.#typing = undefined;
  }

  /** Changes what it is made of, from when the power comes on next. */
  change(settings: Partial<Settings>): void {
    this.#settings = { ...this.#settings, ...settings };
  }

  /** Takes the power away, in the middle of whatever it was. */
  async cutPower(): Promise<void> {
    this.#powered = false;
    // One that is about to begin is not left behind.
    await this.#restarted;
    this.#disconnect();
    this.#child?.kill("SIGKILL");
    await this.#exited;
    await this.#tpm?.stop();
    this.#child = undefined;
  }

  /** What it has said on its console since the power came on. */
  get console(): string {
    return existsSync(this.#console) ? readFileSync(this.#console, "utf8") : "";
  }

  /** Types a line at its console, which needs `typed` in the settings. */
  async type(line: string): Promise<void> {
    this.#typing ??= await Lines.open(this.#settings.typed ?? "");
    this.#typing.write(line);
  }

  /** Resolves once the console says so, with how long after the power came on, s. */
  async says(pattern: RegExp, seconds = 300): Promise<number> {
    await this.until(() => pattern.test(this.console), seconds);
    return (performance.now() - this.startedAt) / 1_000;
  }

  /** Asks QEMU itself. @throws Error if it refuses */
  async qmp(execute: string, args: Readonly<Record<string, unknown>> = {}): Promise<unknown> {
    this.#monitor?.write(JSON.stringify({ execute, arguments: args }));
    for (;;) {
      const line = await this.#monitor?.next();
      const answer = JSON.parse(line ?? "{}");
      if (answer.error !== undefined) throw new Error(`${execute}: ${answer.error.desc}`);
      if (answer.return !== undefined) return answer.return;
    }
  }

  /** Has the guest run a line of shell, over the port for tests. */
  async run(line: string, seconds = 300): Promise<Said> {
    this.#port ??= await Lines.open(this.#paths.testPort);
    const port = this.#port;
    // What an earlier line that took too long still has to say ends before this one's mark.
    const mark = `mark-${++this.#marks}`;
    port.write(`echo ${mark}-begin`);
    port.write(line);
    port.write(`echo ${mark}-end`);
    const deadline = AbortSignal.timeout(seconds * 1_000 * slower);
    const next = async () => (await port.next(deadline)).replace(/\r$/, "");
    while ((await next()) !== `${mark}-begin`);
    const said: string[] = [];
    for (let text = await next(); text !== `${mark}-end`; text = await next()) said.push(text);
    // Behind the first mark is its exit code, behind the output that of the line, not always on a line of its own.
    const [, rest = "", code] = /^(.*)qkd-test (\d+)$/.exec(said.at(-1) ?? "") ?? [];
    const output = [...said.slice(1, -1), ...(rest === "" ? [] : [rest])].join("\n");
    return { code: Number(code ?? 255), output };
  }

  /** Its standard output. @throws Error if it fails */
  async sh(line: string, seconds?: number): Promise<string> {
    const { code, output } = await this.run(line, seconds);
    if (code !== 0) throw new Error(`${line}: exit code ${code}: ${output}`);
    return output;
  }

  /** Resolves once the port for tests answers. */
  async reachable(seconds = 300): Promise<void> {
    const waited = new Patience();
    while (waited.gone() < seconds * 1_000) {
      try {
        await this.run("true", 20);
        return;
      } catch {
        this.#port?.close();
        this.#port = undefined;
        await delay(systemClock, 500);
      }
    }
    throw new Error(`the board does not answer:\n${this.console.slice(-4_000)}`);
  }

  /** Resolves once `condition` holds. @throws Error after that many seconds */
  async until(condition: () => boolean | Promise<boolean>, seconds = 600): Promise<void> {
    const waited = new Patience();
    while (!(await condition())) {
      if (waited.gone() > seconds * 1_000 * slower) {
        throw new Error(`not within ${seconds} s; the console:\n${this.console.slice(-3_000)}`);
      }
      await delay(systemClock, 100 * slower);
    }
  }
}

/** Lines over a Unix socket. */
class Lines {
  readonly #socket: Socket;
  readonly #lines: string[] = [];
  #rest = "";
  #wake: () => void = () => {};
  #closed = false;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setEncoding("utf8");
    socket.on("data", (text: string) => {
      const lines = (this.#rest + text).split("\n");
      this.#rest = lines.pop() ?? "";
      this.#lines.push(...lines);
      this.#wake();
    });
    socket.on("error", () => {});
  }

  static open(path: string): Promise<Lines> {
    return new Promise((resolve, reject) => {
      const socket = connect(path);
      socket.once("connect", () => resolve(new Lines(socket)));
      socket.once("error", reject);
    });
  }

  write(line: string): void {
    this.#socket.write(`${line}\n`);
  }

  async next(signal = AbortSignal.timeout(60_000)): Promise<string> {
    while (this.#lines.length === 0) {
      if (this.#closed) throw new Error("the machine starts anew, or is off");
      await new Promise<void>((resolve, reject) => {
        this.#wake = resolve;
        const late = () => reject(new Error("no answer in time"));
        signal.addEventListener("abort", late, { once: true });
        if (signal.aborted) late();
      });
    }
    return this.#lines.shift() as string;
  }

  close(): void {
    this.#closed = true;
    this.#socket.destroy();
    this.#wake();
  }
}
