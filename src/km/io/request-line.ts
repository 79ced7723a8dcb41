/** Takes the keys of a Response to key request to intake, which has no answer to give: there is no third message. */
import type { KeyResponse } from "../../wire/kq1/key-request.ts";
import type { SupplyResponse } from "../../wire/kq1/supply-answer.ts";
import { SupplyReader } from "../../wire/kq1/supply-reader.ts";
import { type IntakeModule, Line } from "../acquisition/line.ts";
import type { Turn } from "./turn.ts";

export class RequestLine extends Line {
  /** What became of keys that came, by the word that a node would have been answered. */
  readonly counts: Partial<Record<SupplyResponse, number>> = {};
  readonly #module: IntakeModule;
  readonly #turn: Turn;
  readonly #reader = new SupplyReader();

  /** @param module whose keys were asked for: the node has proved that it is its own */
  constructor(module: IntakeModule, turn: Turn) {
    super(undefined);
    this.#module = module;
    this.#turn = turn;
  }

  /**
   * @param size of the keys that were asked for, bits
   * @returns in words what was wrong with keys that could not be read; undefined if nothing was
   */
  take(bytes: Buffer, { keys }: KeyResponse, size: number): string | undefined {
    const { moduleId, matchingModuleId } = this.#module;
    const asked = {
      moduleId,
      matchingModuleId,
      bits: size,
      generatedAt: undefined,
      qber: undefined,
    };
    let wrong: string | undefined;
    for (const { from, to } of keys) {
      const refusal = this.#reader.readOne(bytes, from, to, asked);
      if (refusal === undefined) this.#turn.intake.supply(this, 0, this.#reader);
      else {
        wrong = refusal.why;
        this.answer(0, refusal.reason);
      }
    }
    this.#turn.came();
    return wrong;
  }

  override answer(_ticket: number, response: SupplyResponse): void {
    this.counts[response] = (this.counts[response] ?? 0) + 1;
  }
}
