/** A way to a PostgreSQL that loses the answer to a COMMIT, and the connection with it. */
import { mkdtempSync, rmSync } from "node:fs";
import { connect, createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

const socketName = ".s.PGSQL.5432";
/** As the client's library sends it: a simple query. */
const commit = Buffer.from("COMMIT\0");

export class PostgresWay {
  /** Where its socket is. */
  readonly folder = mkdtempSync(join(tmpdir(), "qkd-postgres-way-"));
  readonly #server: Server;
  /** Answers to COMMIT that are lost from now on. */
  toLose = 0;
  lost = 0;

  private constructor(to: string) {
    this.#server = createServer((client) => {
      const server = connect(join(to, socketName));
      let isLast = false;
      const end = () => {
        client.destroy();
        server.destroy();
      };
      client.on("data", (bytes) => {
        if (this.toLose > 0 && bytes.includes(commit)) {
          this.toLose--;
          isLast = true;
        }
        server.write(bytes);
      });
      server.on("data", (bytes) => {
        if (!isLast) return void client.write(bytes);
        this.lost++;
        end();
      });
      for (const socket of [client, server]) socket.on("close", end).on("error", end);
    });
  }

  /** @param to the folder of the server's socket */
  static async start(to: string): Promise<PostgresWay> {
    const way = new PostgresWay(to);
    await new Promise<void>((resolve) => way.#server.listen(join(way.folder, socketName), resolve));
    return way;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await new Promise((resolve) => this.#server.close(resolve));
    rmSync(this.folder, { recursive: true, force: true });
  }
}
