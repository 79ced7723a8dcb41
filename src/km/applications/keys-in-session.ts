/** Keys that an application asks for in a session (Q.4160 I.2): it has them when the other one was brought them. Pure. */
import type { KeyRequest } from "../../wire/etsi014/key-request.ts";
import { text } from "../../wire/etsi014/names.ts";
import { EtsiRefusal } from "../../wire/etsi014/refusal.ts";
import { idsOf } from "../store/key-run.ts";
import type { Use } from "../store/shapes.ts";
import type { DeliveringLink, ProactiveSupply } from "./proactive.ts";

/** Keys that were supplied at this end. */
export interface SuppliedKeys {
  readonly link: string;
  readonly uses: readonly Use[];
}

export interface InSessionParts {
  readonly proactive: Pick<ProactiveSupply, "check" | "order">;
  /** Keys that were supplied go to no application: their bytes are not needed. */
  readonly forget: (supplied: SuppliedKeys) => void;
}

interface Question {
  readonly caller: { readonly id: string };
  readonly link: DeliveringLink;
  /** SAE ID of the other application. */
  readonly slave: string;
  readonly request: Pick<KeyRequest, "session" | "number" | "additional">;
  readonly count: { refused: number };
}

export class KeysInSession {
  readonly #parts: InSessionParts | undefined;

  /** @param parts undefined: there are no such sessions */
  constructor(parts?: InSessionParts) {
    this.#parts = parts;
  }

  /** Before any key is made. @throws EtsiRefusal */
  check({ caller, link, slave, request, count }: Question): void {
    try {
      if (this.#parts === undefined) throw new EtsiRefusal(400, text.mandatoryUnknown);
      const { additional, session, number: keys } = request;
      // A session is between two.
      if (session === undefined || additional.length > 0) {
        throw new EtsiRefusal(400, text.mandatoryUnmet);
      }
      const order = { session, source: caller.id, destination: slave, keys };
      this.#parts.proactive.check(link, order);
    } catch (error) {
      count.refused++;
      throw error;
    }
  }

  /** Keys of no session are the caller's; others when the other application has them. @param done once */
  bring<T extends SuppliedKeys>(
    { caller, link, slave, request, count }: Question,
    granted: T,
    done: (result: T | EtsiRefusal) => void,
  ): void {
    const { session } = request;
    if (session === undefined || this.#parts === undefined) return done(granted);
    const { proactive, forget } = this.#parts;
    const ids = idsOf(granted.uses);
    const order = { session, source: caller.id, destination: slave, ids };
    proactive.order(link, order, (refusal) => {
      if (refusal === undefined) return done(granted);
      count.refused++;
      forget(granted);
      done(refusal);
    });
  }
}
