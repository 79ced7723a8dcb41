/** What is wrong with a message: it names the message, the member, the limit and the source, and quotes nothing. */
import { Fault } from "../../base/errors.ts";
import { type MessageType, specOf } from "./table.ts";

/** @param field name of the member, as it is on the wire @param limit that was passed */
export function badMessage(type: MessageType, what: string, field = "", limit?: number): Fault {
  const { title, clause } = specOf[type];
  return new Fault("ck.message", `message of Ck ${what}`, {
    message: title,
    ...(field !== "" && { field }),
    ...(limit !== undefined && { limit }),
    source: clause === undefined ? "profile" : `Q.4164 ${clause}`,
  });
}
