/** One connection of a node over HTTPS (Annex B): answers go to the requests that brought the keys. */
import type { SupplyResponse } from "../../wire/kq1/supply-answer.ts";
import { SupplyReader } from "../../wire/kq1/supply-reader.ts";
import { Line } from "../acquisition/line.ts";
import type { Admitted } from "./tls-door.ts";

export class HttpsLine extends Line {
  readonly source: string;
  /** Messages of one connection are built alike. */
  readonly reader = new SupplyReader();
  readonly #waiting = new Map<number, (response: SupplyResponse) => void>();
  #next = 0;

  constructor({ names, source }: Admitted) {
    super(names);
    this.source = source;
  }

  /** @param told is called once @returns the ticket for intake */
  ticket(told: (response: SupplyResponse) => void): number {
    this.#waiting.set(this.#next, told);
    return this.#next++;
  }

  override answer(ticket: number, response: SupplyResponse): void {
    const told = this.#waiting.get(ticket);
    this.#waiting.delete(ticket);
    told?.(response);
  }
}
