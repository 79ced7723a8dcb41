/** The alarms of the node. */
import { AlarmBook as AnyBook, type BookOptions as AnyOptions } from "../../ops/alarms/book.ts";
import { type AlarmName, catalogue } from "./catalogue.ts";

export type BookOptions = Omit<AnyOptions<AlarmName>, "catalogue">;

export class AlarmBook extends AnyBook<AlarmName> {
  constructor(options: BookOptions) {
    super({ ...options, catalogue });
  }
}
