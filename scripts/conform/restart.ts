/** Restarting the KM under test: by a command, or by asking a person. */
import { spawn } from "node:child_process";
import { connect } from "node:net";
import { createInterface } from "node:readline/promises";
import { Broken } from "../../test/conformance/run.ts";

/** A KM must listen again within this time, ms. */
const backWithin = 60_000;

function listens(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port }, () => {
      socket.destroy();
      resolve(true);
    });
    socket.on("error", () => resolve(false));
  });
}

async function back(host: string, port: number): Promise<void> {
  const until = performance.now() + backWithin;
  while (!(await listens(host, port))) {
    if (performance.now() > until) {
      throw new Broken(`the KM does not listen ${backWithin / 1_000} s after its restart`);
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** @param command for `sh`, or `ask` */
export function restartBy(command: string, host: string, port: number): () => Promise<void> {
  return async () => {
    if (command === "ask") {
      const asking = createInterface({ input: process.stdin, output: process.stderr });
      await asking.question("      restart the KM now, and press Enter once it listens again: ");
      asking.close();
    } else {
      // What the command leaves running keeps no pipe of ours open.
      const child = spawn("sh", ["-c", command], { stdio: "ignore" });
      const code = await new Promise<number | null>((resolve, reject) => {
        child.once("error", reject);
        child.once("exit", resolve);
      });
      if (code !== 0) throw new Broken(`the command of --restart ended with exit code ${code}`);
    }
    await back(host, port);
  };
}
