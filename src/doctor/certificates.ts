/** Are the certificates good, and for how long? */
import type { Config } from "../config/load.ts";
import { certificateFiles, describeCertificates } from "../local/certificates.ts";
import { isCredential } from "./configuration.ts";
import { type Finding, fail, ok, skip, warn } from "./finding.ts";

export function checkCertificates(config: Config, wall: number): Finding[] {
  return describeCertificates(certificateFiles(config), wall).map((one) => {
    const kind = one.role === "own" ? "certificate" : "CA";
    const name = [`cert.${one.for}.${one.role}`, `${kind} of ${one.for}`] as const;
    const { problem, days = 0, not_after = "", not_before = "" } = one;
    const until = not_after.slice(0, 10);
    if (isCredential(one.file) && problem?.startsWith("cannot be read") === true) {
      return skip(name, `${one.file} is a credential that only the service sees`);
    }
    if (problem !== undefined) {
      const advice: Readonly<Record<string, string>> = {
        expired: "install a renewed one in its place; the node takes it within a minute",
        "not valid yet": "check the clock of this machine first, then who issued it",
        "the private key belongs to another certificate":
          "install certificate and key that were made together",
      };
      const when = problem === "expired" ? ` on ${until}` : "";
      const from = problem === "not valid yet" ? `, only from ${not_before.slice(0, 10)}` : "";
      const detail = `${one.file}: ${problem}${when}${from}`;
      return fail(
        name,
        detail,
        advice[problem] ?? "install it again, as PEM, readable for the node",
      );
    }
    if (days <= config.alarms.certificate_days) {
      const advice = "have it renewed; put the new one in its place, and the node takes it";
      return warn(name, `${one.file}: ${days} days left, until ${until}`, advice);
    }
    return ok(name, `${one.subject ?? ""}, until ${until}`);
  });
}
