/** What a command is answered with that is not done. */
import { refuse } from "../../wire/ck/check.ts";
import { type CkMarks, markExtensions } from "../../wire/ck/marks.ts";
import type { CkCommand, CkMessage } from "../../wire/ck/messages.ts";
import type { CkReason } from "../../wire/ck/names.ts";

/** @param marks words that are added */
export function refusal(command: CkCommand, why: CkReason, marks: CkMarks = {}): CkMessage {
  const answer = refuse(command.type, why);
  const extension = [...(answer.extension ?? []), ...markExtensions(marks)];
  return extension.length === 0 ? answer : { ...answer, extension };
}
