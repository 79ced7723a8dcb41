/** What a token does, without one, and the configuration of a key manager that has it. */
import { createCipheriv, createDecipheriv, createHash } from "node:crypto";
import { Fault, type FaultFacts } from "../../src/base/errors.ts";
import { aboutMasterKey, type HsmRequest, type Wrapped } from "../../src/km/io/hsm/protocol.ts";
import type { HsmTable, MasterKeyMachine } from "../../src/km/io/master-key-source.ts";

const hsm: HsmTable = {
  module: "/none",
  token: "t",
  key: "k",
  pin_file: "/none",
  answer_timeout: 1_000,
};
export const tokenConfig = { km: { id: "km-a", state_dir: "/km" }, store: { hsm } };
/** The same sealing under a key that is not on the disk. */
export class TokenOfTest {
  readonly #key: Buffer;
  #drawn = 0;

  /** @param number another has another wrapping key */
  constructor(number = 9) {
    this.#key = Buffer.alloc(32, number);
  }

  /** Numbers, and never the same twice. */
  bytes(length: number): Buffer {
    const parts = Array.from({ length: Math.ceil(length / 32) }, () =>
      createHash("sha256")
        .update(`${++this.#drawn}`)
        .digest(),
    );
    return Buffer.concat(parts).subarray(0, length);
  }

  #seal(plain: Buffer): string {
    const nonce = this.bytes(12);
    const cipher = createCipheriv("aes-256-gcm", this.#key, nonce);
    cipher.setAAD(Buffer.from(aboutMasterKey(tokenConfig.km.id)));
    const sealed = [nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()];
    return Buffer.concat(sealed).toString("base64");
  }

  #open(text: string): Buffer {
    const sealed = Buffer.from(text, "base64");
    const decipher = createDecipheriv("aes-256-gcm", this.#key, sealed.subarray(0, 12));
    decipher.setAAD(Buffer.from(aboutMasterKey(tokenConfig.km.id)));
    decipher.setAuthTag(sealed.subarray(44));
    return Buffer.concat([decipher.update(sealed.subarray(12, 44)), decipher.final()]);
  }

  wrap(plain: Buffer): Wrapped {
    return { version: 1, km: tokenConfig.km.id, key: hsm.key, sealed: this.#seal(plain) };
  }

  readonly ask: MasterKeyMachine["ask"] = async ({ act, wrapped }: HsmRequest) => {
    const named = { token: "t", serial: "1", made_key: false };
    if (act === "open") {
      const masterKeys: Buffer[] = [];
      const refused: { at: number; message: string; facts: FaultFacts }[] = [];
      for (const [at, { sealed }] of wrapped.entries()) {
        try {
          masterKeys.push(this.#open(sealed));
        } catch {
          refused.push({ at, message: "wrapped by another key", facts: {} });
        }
      }
      if (masterKeys.length === 0) throw new Fault("hsm.key", "wrapped by another key");
      return { ...named, keys: masterKeys.length, masterKeys, refused };
    }
    const plain = this.bytes(32);
    return { ...named, keys: 1, masterKeys: [plain], wrapped: this.wrap(plain) };
  };
}
