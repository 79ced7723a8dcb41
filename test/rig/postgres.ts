/** A PostgreSQL of a test's own: Debian's, in a folder, with a Unix socket there and no port. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { chownSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { eventually } from "../eventually.ts";

/** Of whatever version Debian's release has. */
export const postgresPrograms = newest("/usr/lib/postgresql");

function newest(folder: string): string {
  const versions = existsSync(folder) ? readdirSync(folder).map(Number) : [];
  return join(folder, String(Math.max(15, ...versions)), "bin");
}

/** PostgreSQL does not run as root: who runs it instead. */
function owner(): { readonly uid: number; readonly gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const line = readFileSync("/etc/passwd", "utf8")
    .split("\n")
    .find((one) => one.startsWith("postgres:"));
  const [, , uid = "", gid = ""] = line?.split(":") ?? [];
  return { uid: Number(uid), gid: Number(gid) };
}

export class Postgres implements AsyncDisposable {
  /** Where its socket is. */
  readonly folder: string;
  readonly #as = owner();
  #server: ChildProcess | undefined;

  private constructor(folder: string) {
    this.folder = folder;
  }

  static async start(): Promise<Postgres> {
    const made = new Postgres(mkdtempSync(join(tmpdir(), "qkd-postgres-")));
    if (made.#as !== undefined) chownSync(made.folder, made.#as.uid, made.#as.gid);
    const args = ["-D", join(made.folder, "data"), "-A", "trust", "-U", "qkd-controller", "-N"];
    const { status, stderr } = spawnSync(join(postgresPrograms, "initdb"), args, {
      encoding: "utf8",
      cwd: made.folder,
      ...made.#as,
    });
    if (status !== 0) throw new Error(`initdb: ${stderr}`);
    await made.resume();
    return made;
  }

  /** Starts it, also again. */
  async resume(): Promise<void> {
    const { folder } = this;
    const settings = ["listen_addresses=", `unix_socket_directories=${folder}`, "fsync=off"];
    const args = ["-D", join(folder, "data"), ...settings.flatMap((one) => ["-c", one])];
    this.#server = spawn(join(postgresPrograms, "postgres"), args, {
      stdio: "ignore",
      cwd: folder,
      ...this.#as,
    });
    const ready = () => {
      const asked = ["-h", folder, "-U", "qkd-controller", "-d", "postgres", "-c", "SELECT 1"];
      return spawnSync(join(postgresPrograms, "psql"), asked, { stdio: "ignore" }).status;
    };
    await eventually("PostgreSQL", ready, { is: 0 });
  }

  /** Ends it, its connections with it. */
  async stop(): Promise<void> {
    const server = this.#server;
    if (server === undefined || server.exitCode !== null) return;
    const ended = new Promise((resolve) => server.once("close", resolve));
    server.kill("SIGINT");
    await ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
