/**
 * What a program that runs shows and checks by, read anew each time. Whom it trusts and who it is are of use without each
 * other: of the one that cannot be used now, what could be used last. So an end that was taken back is refused also while
 * the program's own certificate is half written.
 */
import type { Fault } from "../../base/errors.ts";
import { LastRead } from "../config/last-read.ts";

export class Kept<Trust extends object, Identity extends object> {
  readonly #trust: LastRead<Trust>;
  readonly #identity: LastRead<Identity>;

  /** Both throw a Fault if it cannot be used. @param trust reads whom it trusts @param identity reads who it is */
  constructor(trust: () => Trust, identity: () => Identity) {
    this.#trust = new LastRead(trust);
    this.#identity = new LastRead(identity);
  }

  /** What is wrong with the files, as they were read last. */
  get trouble(): Fault | undefined {
    return this.#trust.trouble ?? this.#identity.trouble;
  }

  /** @throws Fault if there is nothing of before */
  read(): Trust & Identity {
    return { ...this.#trust.read(), ...this.#identity.read() };
  }

  /** Whom it trusts, alone. @throws Fault if there is nothing of before */
  trust(): Trust {
    return this.#trust.read();
  }
}
