/** The panel process as systemd runs it. */
import { type ChildProcess, spawn } from "node:child_process";
import { programPath } from "./programs.ts";

const maxLines = 1_000;

export class PanelProcess {
  readonly lines: string[] = [];
  readonly #args: readonly string[];
  #child: ChildProcess | undefined;
  #exited: Promise<void> = Promise.resolve();

  /**
   * @param device for `--device`
   * @param runtime folder for the key switch's position
   */
  constructor(device: string, socket: string, runtime?: string) {
    this.#args = ["--device", device, "--socket", socket];
    if (runtime !== undefined) this.#args = [...this.#args, "--runtime", runtime];
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  start(): void {
    if (this.#child !== undefined) return;
    const child = spawn(programPath("qkd-panel"), this.#args, {
      stdio: ["ignore", "ignore", "pipe"],
    });
    this.#child = child;
    let rest = "";
    child.stderr.setEncoding("utf8");
    child.stderr.on("data", (text: string) => {
      const lines = (rest + text).split("\n");
      rest = lines.pop() ?? "";
      this.lines.push(...lines);
      this.lines.splice(0, this.lines.length - maxLines);
    });
    this.#exited = new Promise((resolve) => {
      child.once("close", () => {
        this.#child = undefined;
        resolve();
      });
    });
  }

  signal(signal: NodeJS.Signals): void {
    this.#child?.kill(signal);
  }

  async stop(signal: NodeJS.Signals = "SIGTERM"): Promise<void> {
    this.#child?.kill(signal);
    await this.#exited;
  }
}
