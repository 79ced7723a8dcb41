/** A TPM 2.0 for an emulated board: swtpm, a process of its own that outlives the board's power. */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { ImageError, need } from "./run.ts";

/** swtpm makes its socket within this time, ms. */
const startMs = 20_000;

export class Tpm {
  readonly socket: string;
  readonly #child: ChildProcess;
  readonly #ended: Promise<void>;

  private constructor(socket: string, child: ChildProcess) {
    this.socket = socket;
    this.#child = child;
    this.#ended = new Promise((resolve) => child.once("close", () => resolve()));
  }

  /**
   * Starts it, and with it a new life between two power cycles: swtpm ends when QEMU lets go of it.
   * @param folder of its state: another folder is another TPM
   */
  static async start(folder: string): Promise<Tpm> {
    need("swtpm");
    mkdirSync(folder, { recursive: true });
    const socket = join(folder, "control");
    rmSync(socket, { force: true });
    const args = ["socket", "--tpm2", "--terminate", "--tpmstate", `dir=${folder}`];
    const child = spawn("swtpm", [...args, "--ctrl", `type=unixio,path=${socket}`], {
      stdio: ["ignore", "ignore", "pipe"],
    });
    let said = "";
    child.stderr?.on("data", (text) => {
      said += text;
    });
    child.once("error", (error) => {
      said += error.message;
    });
    const tpm = new Tpm(socket, child);
    for (let waited = 0; !existsSync(socket); waited += 20) {
      if (waited > startMs || child.exitCode !== null) {
        await tpm.stop();
        throw new ImageError(`swtpm does not start: ${said.trim()}`);
      }
      await delay(20);
    }
    return tpm;
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.pid === undefined) return;
    this.#child.kill("SIGKILL");
    await this.#ended;
  }
}
