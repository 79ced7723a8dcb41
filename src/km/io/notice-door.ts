/**
 * Proactive supply over the door of applications (Q.4160 I.2): sessions that they ask for, notices for those that listen,
 * and answers to these. Keys of a notice are taken when it is handed over, as if its application had asked for them.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import { isGone } from "../../host/door/turns.ts";
import { wipeMemory } from "../../port/key.ts";
import { idsOfBody } from "../../wire/etsi014/key-ids.ts";
import { longestBodyOf } from "../../wire/etsi014/names.ts";
import {
  isAccepted,
  longestAnswer,
  type ProactivePath,
  writeKeyNotice,
  writeSession,
  writeSessionNotice,
} from "../../wire/etsi014/proactive.ts";
import { EtsiRefusal, notAllowed } from "../../wire/etsi014/refusal.ts";
import type { ApplicationKeys } from "../applications/keys.ts";
import type { Letter, Mailboxes } from "../applications/mailboxes.ts";
import { noSession } from "../applications/no-session.ts";
import type { Application } from "../applications/table.ts";
import type { KeySessions } from "../controllers/sessions.ts";
import type { KeyStore } from "../store/port.ts";
import { keysIn, readGranted } from "../supply/granted.ts";

/** Who asks, and how it is answered. */
export interface Visit {
  readonly caller: Application;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** Reads the body; it is wiped after `then`, which may throw EtsiRefusal. @param longest bytes */
  body(longest: number, then: (body: Buffer) => void): void;
  refuse(refusal: EtsiRefusal): void;
  /** @param body has no key */
  send(status: number, body: Buffer): void;
  /** @param body wiped once it was sent, or will not be */
  sendKeys(body: Buffer): void;
  /** Keys are asked for. @param late is called where no answer was given in time */
  inTime(late: () => void): void;
}

export interface NoticeParts {
  readonly mailboxes: Mailboxes;
  readonly sessions: () => Pick<KeySessions, "create" | "close">;
  readonly keys: Pick<ApplicationKeys, "take" | "limits" | "checkPair">;
  readonly store: Pick<KeyStore, "read" | "forget">;
}

const empty = Buffer.alloc(0);

export class NoticeDoor {
  readonly #parts: NoticeParts;

  constructor(parts: NoticeParts) {
    this.#parts = parts;
  }

  /** @throws EtsiRefusal */
  serve(visit: Visit, path: ProactivePath): void {
    const { method } = visit.request;
    switch (path.kind) {
      case "session":
        if (method === "DELETE") return this.#close(visit, path.sae);
        if (method !== "POST") throw notAllowed("POST, DELETE");
        return visit.body(longestAnswer, () => this.#create(visit, path.sae));
      case "listen":
        if (method !== "GET") throw notAllowed("GET");
        return this.#listen(visit, path.waitMs);
      case "answer":
        if (method !== "POST") throw notAllowed("POST");
        return visit.body(longestBodyOf("dec_keys", this.#parts.keys.limits.number), (body) =>
          this.#answer(visit, path.notice, body),
        );
    }
  }

  #create(visit: Visit, destination: string): void {
    const { keys, sessions } = this.#parts;
    const { caller } = visit;
    keys.checkPair(caller, destination);
    sessions().create(caller.id, destination, (answer) => {
      if (answer === undefined) {
        return visit.refuse(new EtsiRefusal(503, "no controller grants sessions now", [], 5));
      }
      if ("refused" in answer) return visit.refuse(noSession(answer.refused));
      visit.send(200, writeSession(answer.id));
    });
  }

  #close(visit: Visit, destination: string): void {
    const { sessions } = this.#parts;
    if (!sessions().close(visit.caller.id, destination)) {
      throw new EtsiRefusal(404, "there is no such session");
    }
    visit.send(204, empty);
  }

  #listen(visit: Visit, wait: number): void {
    const { response, caller } = visit;
    const cancel = this.#parts.mailboxes.listen(caller.id, wait, (letter) => {
      if (letter === undefined) visit.send(204, empty);
      else this.#hand(visit, letter);
    });
    // Of an answer that was given nothing is cancelled.
    response.once("close", cancel);
  }

  #hand(visit: Visit, { id, notice }: Letter): void {
    const { session, source: master, keys: ids, isOver } = notice;
    const head = { id, session, master };
    if (ids === undefined) {
      return visit.send(200, writeSessionNotice(isOver ? "end" : "session", head));
    }
    const { keys, store, mailboxes } = this.#parts;
    const { caller } = visit;
    const none = () => {
      mailboxes.fail(caller.id, id, "keys");
      visit.send(204, empty);
    };
    const lost = (refusal: unknown) => {
      if (!(refusal instanceof EtsiRefusal)) throw refusal;
      none();
    };
    visit.inTime(() => visit.send(204, empty));
    try {
      keys.take(caller, master, ids, (result) => {
        if (result instanceof EtsiRefusal) return lost(result);
        readGranted(store, result, (bytes) => {
          if (bytes === undefined) return none();
          // Its time is over, or its application is gone: the keys go to none then.
          const isWanted = mailboxes.find(caller.id, id) !== undefined && !isGone(visit.response);
          const body = isWanted ? writeKeyNotice(head, ids, keysIn(result.uses, bytes)) : undefined;
          wipeMemory(bytes);
          if (body === undefined) return none();
          visit.sendKeys(body);
        });
      });
    } catch (error) {
      lost(error);
    }
  }

  #answer(visit: Visit, id: string, body: Buffer): void {
    const { mailboxes, keys } = this.#parts;
    const { caller } = visit;
    const notice = mailboxes.find(caller.id, id);
    if (notice === undefined)
      throw new EtsiRefusal(404, "there is no such notice, or not any more");
    const accepted =
      notice.keys === undefined
        ? isAccepted(body)
        : hasAll(notice.keys, idsOfBody(body, keys.limits.number));
    mailboxes.answer(caller.id, id, { accepted });
    visit.send(204, empty);
  }
}

function hasAll(wanted: readonly string[], had: readonly string[]): boolean {
  const all = new Set(had);
  return wanted.length === all.size && wanted.every((id) => all.has(id));
}
