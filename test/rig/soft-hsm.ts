/** A token of SoftHSM in a folder of its own. */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Pkcs11 } from "../../src/km/io/hsm/pkcs11.ts";

const places = [
  "/usr/lib/softhsm/libsofthsm2.so",
  "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
  "/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so",
  "/usr/lib64/pkcs11/libsofthsm2.so",
];

export const pin = "7654321";

export class SoftHsm {
  readonly module = places.find((path) => existsSync(path)) as string;
  readonly pinFile: string;
  readonly #util: string;
  readonly #folder: string;
  readonly #config: string;

  /**
   * Programs of this process find its tokens from now on.
   * @param util path of `softhsm2-util`
   */
  constructor(util: string, folder: string) {
    this.#util = util;
    this.#folder = folder;
    this.#config = join(folder, "softhsm2.conf");
    mkdirSync(join(folder, "tokens"), { recursive: true });
    const settings = [`directories.tokendir = ${folder}/tokens`, "objectstore.backend = file"];
    writeFileSync(this.#config, `${settings.join("\n")}\nlog.level = ERROR\n`);
    this.pinFile = this.writePin("pin", `${pin}\n`);
    process.env.SOFTHSM2_CONF = this.#config;
  }

  writePin(name: string, text: string): string {
    const file = join(this.#folder, name);
    writeFileSync(file, text, { mode: 0o600 });
    return file;
  }

  makeToken(label: string): void {
    this.#run("--init-token", "--free", "--label", label, "--so-pin", "12345678", "--pin", pin);
  }

  /** An AES key that may be read out of the token: loads its library into this process. */
  makeOpenKey(label: string): void {
    const library = new Pkcs11(this.module);
    library.must("C_Initialize", 0);
    const slots = library.arena.take(64);
    const count = library.arena.take(8);
    count.bytes.writeBigUInt64LE(8n);
    library.must("C_GetSlotList", 1, slots.at, count.at);
    const session = library.arena.take(8);
    // With a session that may write.
    library.must("C_OpenSession", slots.bytes.readBigUInt64LE(), 6, 0, 0, session.at);
    const handle = session.bytes.readBigUInt64LE();
    const secret = library.arena.take(pin.length);
    secret.bytes.write(pin);
    library.must("C_Login", handle, 1, secret.at, pin.length);
    // CKA_TOKEN, CKA_PRIVATE, CKA_LABEL, CKA_SENSITIVE, CKA_EXTRACTABLE, CKA_VALUE_LEN
    const { at, count: attributes } = library.template([
      [0x1, true],
      [0x2, true],
      [0x3, label],
      [0x103, false],
      [0x162, true],
      [0x161, 32],
    ]);
    const made = library.arena.take(8);
    library.must("C_GenerateKey", handle, library.mechanism(0x1080), at, attributes, made.at);
    library.must("C_Finalize", 0);
  }

  #run(...args: string[]): void {
    execFileSync(this.#util, args, { env: { ...process.env, SOFTHSM2_CONF: this.#config } });
  }
}
