/**
 * Keys of the one-time MAC over batches (`link.NAME.matching_mac = "one-time"`): stretches of KMA-key that are matched
 * already, each bound at both ends to one batch, by its digest, before the proposal leaves. Pure.
 */
import { type BatchPads, padOfBoth, padOfProposal } from "../matching/batch-pads.ts";
import { useOfMatch } from "../matching/match-use.ts";
import type { LinkContext } from "../peer/context.ts";
import { isOtp, type Use } from "../store/shapes.ts";
import { readGranted } from "../supply/granted.ts";
import type { Owner } from "../supply/owner.ts";
import type { Peer } from "../supply/peer.ts";
import type { Shortage } from "../supply/request.ts";

/** The other end has bound it within this, ms; takes it within this, s. */
const lendMs = 3_000;
const pickUpS = 60;

export class MacPads implements BatchPads {
  readonly #context: LinkContext;
  readonly #owner: Owner;
  readonly #peer: Peer;

  constructor(context: LinkContext, owner: Owner, peer: Peer) {
    this.#context = context;
    this.#owner = owner;
    this.#peer = peer;
  }

  get wanted(): boolean {
    return this.#context.oneTime;
  }

  get there(): boolean {
    return this.#context.books.stock.free(0, isOtp) >= this.#bytes;
  }

  /** Bytes of KMA-key that a proposal and its answer use up. */
  get #bytes(): number {
    return this.#context.version === 1 ? padOfProposal : padOfBoth;
  }

  lend(digest: Buffer, done: (pad: Buffer | Shortage) => void): void {
    const request = {
      use: useOfMatch(digest),
      keys: 1,
      length: this.#bytes,
      pickUp: pickUpS,
      deadline: this.#context.now() + lendMs,
      otpOnly: true,
    };
    this.#owner.request(request, (result) => {
      if (typeof result === "string") return done(result);
      this.#read(result, (bytes) => done(bytes ?? "stock"));
    });
  }

  claim(digest: Buffer, done: (pad: Buffer | undefined) => void): boolean {
    const use = useOfMatch(digest);
    const id = this.#peer.forBatches.take(use);
    return id !== undefined && this.#peer.claim(id, use, (key) => this.#read([key], done));
  }

  #read(uses: readonly Use[], done: (bytes: Buffer | undefined) => void): void {
    const { store, link } = this.#context;
    readGranted(store, { link, uses }, done);
  }
}
