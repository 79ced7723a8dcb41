/**
 * What the two ends of a tunnel say to each other about its keys: IDs alone, one JSON object a line. The master says
 * `{"offer": ID}` and `{"use": ID}`, the slave `{"answer": WORD}`. Pure.
 */
import { Fault } from "../../base/errors.ts";

/** A key's UUID: the slave is to fetch it (`offer`), or to install it (`use`). */
export type Message = { readonly act: "offer" | "use"; readonly id: string };

/**
 * - `ready`: fetched, and kept beside the one in use
 * - `used`: it is the tunnel's key at this end
 * - `unknown`: this end does not have it
 * - `failed`: the KM or the tunnel refused; another attempt may help
 */
export const answers = ["ready", "used", "unknown", "failed"] as const;
export type Answer = (typeof answers)[number];

/** Longest line, bytes. */
export const longestLine = 256;

/** A key's UUID as both ends write it. */
export const keyIdForm = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

export function writeMessage({ act, id }: Message): string {
  return `${JSON.stringify({ [act]: id })}\n`;
}

export function writeAnswer(answer: Answer): string {
  return `${JSON.stringify({ answer })}\n`;
}

/** @throws Fault `psk.peer` */
export function readMessage(line: string): Message {
  const value = parse(line);
  for (const act of ["offer", "use"] as const) {
    const id = value[act];
    if (typeof id === "string" && keyIdForm.test(id)) return { act, id };
  }
  throw notOurs();
}

/** @throws Fault `psk.peer` */
export function readAnswer(line: string): Answer {
  const { answer } = parse(line);
  const known = answers.find((one) => one === answer);
  if (known === undefined) throw notOurs();
  return known;
}

function parse(line: string): Record<string, unknown> {
  try {
    const value = JSON.parse(line);
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return value;
  } catch {
    // As anything else that is no message.
  }
  throw notOurs();
}

function notOurs(): Fault {
  return new Fault("psk.peer", "the other end does not speak qkd-psk");
}
