/** A door of applications closes: who has asked is answered first. */
import type { Log } from "../../base/log.ts";
import type { OrderlyClose } from "../../host/http/orderly-close.ts";

/** An answer that takes longer than this is not given, ms. A part of the time that stopping may take. */
const lastAnswersMs = 2_000;

/** @param end of the door's connections */
export async function lastAnswers(end: OrderlyClose, log: Log): Promise<void> {
  const questions = await end.close(lastAnswersMs);
  if (questions > 0) log.warn("applications that have asked get no answer", { questions });
}
