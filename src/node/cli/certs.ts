/** `qkd-node certs`: certificates and revocation lists, from the node, or from the files if it does not run. */
import { exit } from "../../base/exit-codes.ts";
import { counted } from "../../base/words.ts";
import { facts } from "../../host/terminal/table.ts";
import { type Paint, tidy } from "../../host/terminal/terminal.ts";
import { timesOf } from "../../host/terminal/units.ts";
import type { CertificateReport } from "../../host/tls/report.ts";
import { NotRunning } from "../../ops/cli/client.ts";
import type { ConfigReaders } from "../config/readers.ts";
import type { Context } from "./context.ts";
import { configFile } from "./where.ts";

interface Certificates {
  readonly certificates: readonly CertificateReport[];
}

export async function run(context: Context): Promise<number> {
  const answer = await context.ask<Certificates>("certs").catch(async (error: unknown) => {
    if (!(error instanceof NotRunning)) throw error;
    context.terminal.complain(`qkd-node: ${error.message}; these are the files`);
    return fromFiles(configFile(context.where), await context.readers());
  });
  const { paint, width } = context.terminal;
  context.print(answer, () => lines(answer, paint, width));
  const wrong = answer.certificates.some(({ problem }) => problem !== undefined);
  return wrong ? exit.failed : exit.ok;
}

async function fromFiles(file: string, { readConfig }: ConfigReaders): Promise<Certificates> {
  const { describeCertificates } = await import("../config/certificates.ts");
  return { certificates: describeCertificates(readConfig(file), Date.now()) };
}

const roles = {
  own: "shown by the node",
  ca: "who is trusted (CA)",
  crl: "what was revoked (CRL)",
} as const;

function lines({ certificates }: Certificates, paint: Paint, width: number): string[] {
  if (certificates.length === 0) return ["the configuration names no certificate"];
  const times = timesOf(
    certificates.flatMap(({ not_after = [], not_before = [], this_update = [] }) =>
      [not_after, not_before, this_update].flat(),
    ),
  );
  const moment = times.show;
  const shown = certificates.flatMap((one) => {
    const { days, subject, issuer, names, problem, note, key_matches, entries, this_update } = one;
    const since = this_update ?? one.not_before;
    const end = one.not_after ?? one.next_update ?? "";
    const left = days === undefined ? "" : `${moment(end)}, ${remaining(days)}`;
    // How long a list lives is its CA's habit: that it runs out is told by its problem, and by alarms.
    const until = days !== undefined && days <= 30 && one.role !== "crl" ? paint.warn(left) : left;
    const pairs: (readonly [string, string])[] = [
      ["file", tidy(one.file)],
      ...(problem === undefined ? [] : [["problem", paint.bad(tidy(problem))] as const]),
      ...(note === undefined ? [] : [["note", tidy(note)] as const]),
      ...(subject === undefined ? [] : [["for", tidy(subject)] as const]),
      ...(names === undefined ? [] : [["names", tidy(names)] as const]),
      ...(issuer === undefined ? [] : [["from", tidy(issuer)] as const]),
      ...(since === undefined ? [] : [["since", moment(since)] as const]),
      ...(left === "" ? [] : [["until", until] as const]),
      ...(entries === undefined ? [] : [["takes back", counted(entries, "certificate")] as const]),
      ...(key_matches === true ? [["key", "belongs to it"] as const] : []),
    ];
    const place = one.place === undefined ? "" : `, certificate ${one.place} of the file`;
    return [`${paint.bold(tidy(one.for))}  ${roles[one.role]}${place}`, ...facts(pairs, width, 2)];
  });
  return times.zone === undefined ? shown : [...shown, paint.dim(`times are ${times.zone}`)];
}

function remaining(days: number): string {
  return days < 0 ? `over for ${counted(-days, "day")}` : `${counted(days, "day")} left`;
}
