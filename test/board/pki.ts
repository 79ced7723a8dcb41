/** The site's authority for a test, as a field engineer has one: it signs what the node asks for. */
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

export class SiteAuthority {
  readonly folder: string;

  constructor(folder: string) {
    this.folder = folder;
    mkdirSync(folder, { recursive: true });
    const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc"];
    this.#openssl(
      "req",
      "-x509",
      ...key,
      "-subj",
      "/CN=site",
      "-days",
      "90",
      "-keyout",
      "ca.key",
      "-out",
      "ca.crt",
    );
  }

  get certificate(): string {
    return join(this.folder, "ca.crt");
  }

  /** The authority's own certificate, PEM. */
  read(): string {
    return readFileSync(this.certificate, "utf8");
  }

  /** A key and certificate made here, for a server or a client. @returns paths of PEM files */
  issue(name: string, usage: "serverAuth" | "clientAuth", names = `DNS:${name}`) {
    const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc"];
    this.#openssl(
      "req",
      ...key,
      "-subj",
      `/CN=${name}`,
      "-keyout",
      `${name}.key`,
      "-out",
      `${name}.csr`,
    );
    this.#sign(name, usage, names);
    const path = (suffix: string) => join(this.folder, `${name}${suffix}`);
    return { key: path(".key"), cert: path(".crt"), ca: this.certificate };
  }

  /** Signs a node's request. @returns the certificate, PEM */
  node(id: string, request: string): string {
    writeFileSync(join(this.folder, `${id}.csr`), request);
    this.#sign(id, "clientAuth", `DNS:${id}`);
    return readFileSync(join(this.folder, `${id}.crt`), "utf8");
  }

  #sign(name: string, usage: string, names: string): void {
    const extensions = `subjectAltName=${names}\nextendedKeyUsage=${usage}\n`;
    writeFileSync(join(this.folder, "extensions"), extensions);
    const by = ["-CA", "ca.crt", "-CAkey", "ca.key", "-days", "90", "-extfile", "extensions"];
    this.#openssl("x509", "-req", "-in", `${name}.csr`, ...by, "-out", `${name}.crt`);
  }

  #openssl(...args: string[]): void {
    execFileSync("openssl", args, { cwd: this.folder, stdio: "pipe" });
  }
}
