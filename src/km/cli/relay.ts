/** `qkd-km relay`: an operator wants more key for a link whose keys are relayed (Y.3803 §8.2.5, "manual"). */

import { UsageError } from "../../host/terminal/program.ts";
import { ask } from "../../ops/cli/client.ts";
import { numberOf } from "../../ops/cli/number.ts";
import { orderedText } from "./show-relays.ts";

interface Asked {
  /** Control sockets, the likeliest first; and as messages name who is asked. */
  readonly sockets: readonly string[];
  readonly who: Parameters<typeof ask>[4];
  /** ID of the key manager that the configuration is of. */
  readonly km: string;
}

export interface Ordered {
  readonly link: string;
  readonly ordered_bits: number;
}

/** @throws CliError, UsageError */
export async function orderRelay(
  { sockets, who, km }: Asked,
  link: string | undefined,
  number: string | undefined,
): Promise<Ordered & { readonly text: string }> {
  const bits = numberOf(number ?? "");
  if (link === undefined || bits === undefined) {
    throw new UsageError("relay --link LINK --bits NUMBER");
  }
  const given = { confirm: km, link, bits };
  const done = await ask<Omit<Ordered, "link">>(sockets, "relay", given, undefined, who);
  return { link, ...done, text: orderedText(link, done.ordered_bits) };
}
