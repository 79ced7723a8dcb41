/** What is made of a daemon's answer, where the daemon may have answered with less than it does today. */
import { softwareVersion } from "../../base/version.ts";
import { older, type Who } from "./client.ts";

/**
 * @param show text or a part of it; nothing, or a TypeError, if what it needs is not there
 * @throws CliError if the daemon that answered is older, so that its answer has not all that is shown
 */
export function shown<Answer, Shown>(
  answer: Answer,
  who: Who,
  show: (answer: Answer) => Shown,
): NonNullable<Shown> {
  try {
    const text = show(answer);
    if (text !== undefined && text !== null) return text;
  } catch (error) {
    // One of this very version has all of it: then the mistake is here.
    const { version } = (answer ?? {}) as { readonly version?: unknown };
    if (!(error instanceof TypeError) || version === softwareVersion) throw error;
  }
  throw older("its answer lacks what is shown here", who);
}
