/** Clients of a TLS server, each with the certificate that it showed: checked when they come, and again. */
import type { TLSSocket } from "node:tls";
import type { Clock } from "../../base/clock.ts";
import type { Log } from "../../base/log.ts";
import { LogLimit } from "../../base/log-limit.ts";
import { sourceOf } from "../door/source.ts";
import type { TlsTexts } from "./options.ts";
import { peerOf, type TlsPeer } from "./peer.ts";
import { type Refusal, trustOf } from "./trust.ts";

export class TlsClients {
  #texts: TlsTexts;
  readonly #clock: Clock;
  readonly #limit: LogLimit;
  readonly #open = new Map<TLSSocket, TlsPeer>();
  #lastGroup: string | undefined;

  /** @throws CrlError */
  constructor(texts: TlsTexts, clock: Clock, log: Log) {
    trustOf(texts);
    this.#texts = texts;
    this.#clock = clock;
    this.#limit = LogLimit.of(log, clock);
  }

  /** Takes note of a client whose handshake is complete; one that is not accepted is cut off. */
  admit(socket: TLSSocket): void {
    const peer = peerOf(socket);
    if (peer === undefined) return void socket.destroy();
    // A handshake that was begun before lists or CAs were exchanged is judged by those of now.
    if (!this.#check(socket, peer)) return;
    this.#open.set(socket, peer);
    this.#lastGroup = peer.group;
    socket.once("close", () => this.#open.delete(socket));
  }

  /** Goes by others from now on, for the clients that are connected too. @throws CrlError */
  renew(texts: TlsTexts): void {
    trustOf(texts);
    this.#texts = texts;
    this.recheck();
  }

  /** Cuts off clients that are not accepted any more. */
  recheck(): void {
    for (const [socket, peer] of this.#open) {
      // Cut off a moment ago, and not closed yet: told once.
      if (!socket.destroyed) this.#check(socket, peer);
    }
  }

  /** Groups of the key exchanges: of the clients of now, or of the last one. */
  get groups(): readonly string[] {
    const groups = [...this.#open.values()].map(({ group }) => group);
    if (groups.length > 0) return groups;
    return this.#lastGroup === undefined ? [] : [this.#lastGroup];
  }

  #check(socket: TLSSocket, peer: TlsPeer): boolean {
    const { crlFresh } = this.#texts;
    const moment = { wall: this.#clock.wall(), crlFresh };
    const why: Refusal | undefined = trustOf(this.#texts).refusal(peer.chain, moment);
    if (why === undefined) return true;
    const facts = { cause: why, fingerprint: peer.fingerprint256 };
    this.#limit.warn(sourceOf(socket.remoteAddress), "client is not accepted", facts);
    socket.destroy();
    return false;
  }
}
