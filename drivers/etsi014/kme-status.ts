/** The Status of ETSI GS QKD 014 (§6.1), as much of it as is used. Pure. */
import { Fault } from "../../src/base/errors.ts";
import type { KmeStatus } from "./kme.ts";

/** @throws Fault `kme.answer` */
export function readStatus(body: Buffer): KmeStatus {
  let value: unknown;
  try {
    value = JSON.parse(body.toString("utf8").replace(/^\ufeff/, ""));
  } catch {
    throw wrong("it is no JSON");
  }
  if (typeof value !== "object" || value === null) throw wrong("it is no object");
  const members = value as Record<string, unknown>;
  const whole = (name: string, standard?: number): number => {
    // Some write their numbers as texts.
    const given = members[name] ?? standard;
    const number = typeof given === "string" && /^\d{1,12}$/.test(given) ? Number(given) : given;
    if (typeof number !== "number" || !Number.isSafeInteger(number) || number < 0) {
      throw wrong(`${name} is no number`);
    }
    return number;
  };
  const keySize = whole("key_size");
  return {
    stored: whole("stored_key_count"),
    keySize,
    maxPerRequest: whole("max_key_per_request", 1),
    minKeySize: whole("min_key_size", keySize),
    maxKeySize: whole("max_key_size", keySize),
  };
}

function wrong(what: string): Fault {
  return new Fault("kme.answer", `the KME's status: ${what}`);
}
