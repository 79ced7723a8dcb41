/** A node daemon under measurement: a process of its own, looked at from outside. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";

/** Ticks a second of the times in /proc/PID/stat: 100 on Linux, whatever the kernel's own. */
const ticks = 100;

export interface Usage {
  /** CPU time so far of all threads, s. */
  readonly cpu: number;
  /** Resident memory now and at its highest, bytes. */
  readonly rss: number;
  readonly highest: number;
  /** Of `rss`, what is the process's own and not pages of files, which the system drops and reads again at will. */
  readonly own: number;
}

export class NodeChild {
  readonly #child: ChildProcess;
  readonly #lines: string[] = [];

  /** @param program with its arguments, before those of the node */
  constructor(program: readonly string[], config: string) {
    const [file = "", ...args] = program;
    this.#child = spawn(file, [...args, "run", "--config", config], {
      stdio: ["ignore", "ignore", "pipe"],
    });
    this.#child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.#lines.push(text);
      if (this.#lines.length > 200) this.#lines.shift();
    });
  }

  /** What it logged last. */
  get log(): string {
    return this.#lines.join("");
  }

  get pid(): number {
    return this.#child.pid as number;
  }

  usage(): Usage {
    return usageOf(this.#child.pid as number);
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null) return;
    const ended = once(this.#child, "close");
    this.#child.kill("SIGTERM");
    await ended;
  }
}

export function usageOf(pid: number): Usage {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  const kilobytes = (name: string) =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(status)?.[1] ?? 0) * 1_024;
  return {
    cpu: (Number(fields[11]) + Number(fields[12])) / ticks,
    rss: kilobytes("VmRSS"),
    highest: kilobytes("VmHWM"),
    own: kilobytes("RssAnon"),
  };
}
