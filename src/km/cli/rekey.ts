/** `qkd-km rekey`: another master key for the store of a key manager that runs. */
import { delay, systemClock } from "../../base/clock.ts";
import { bytes } from "../../host/terminal/units.ts";
import { ask } from "../../ops/cli/client.ts";
import type { KmStatus, Rekeyed } from "../model/status.ts";

const lookMs = 500;

interface Asked {
  /** Control sockets, the likeliest first; and as messages name who is asked. */
  readonly sockets: readonly string[];
  readonly who: Parameters<typeof ask>[4];
  /** ID of the key manager that the configuration is of. */
  readonly km: string;
}

/**
 * Waits until all is sealed anew; who does not wait misses nothing.
 * @param say told when the new master key is that of the store
 * @throws CliError
 */
export async function rekey(
  { sockets, who, km }: Asked,
  say: (line: string) => void,
): Promise<Rekeyed> {
  const done = await ask<Rekeyed>(sockets, "rekey", { confirm: km }, undefined, who);
  say(begunText(done));
  for (;;) {
    const { store } = await ask<KmStatus>(sockets, "status", {}, undefined, who);
    if (store.master_key.resealing_bytes === undefined) return done;
    await delay(systemClock, lookMs);
  }
}

function begunText({ from, resealing_bytes }: Rekeyed): string {
  return `the store has another master key, from ${placeOf[from]}; ${bytes(resealing_bytes)} are sealed anew`;
}

const placeOf: Readonly<Record<Rekeyed["from"], string>> = {
  file: "master_key_file",
  next_file: "master_key_next_file",
  hsm: "the token",
};

/** What is left to do for who ordered it. */
export function rekeyedText({ from }: Rekeyed): string {
  if (from === "hsm") return "done: the master key of before opens nothing any more\n";
  return `done: the master key of before opens nothing any more.
Put master_key_next_file in place of master_key_file; until then the key
manager starts with either file in place, and destroy the one of before.
`;
}
