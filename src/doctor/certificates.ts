/** Are the certificates and revocation lists good, and for how long? */
import type { Config } from "../config/load.ts";
import {
  type CertificateReport,
  describeCertificates,
  type ListFilesOf,
  listFiles,
} from "../local/certificates.ts";
import { isCredential } from "./configuration.ts";
import { type Finding, fail, ok, skip, warn } from "./finding.ts";

export function checkCertificates(config: Config, wall: number): Finding[] {
  const files = listFiles(config);
  return describeCertificates(config, wall).map((one) => {
    if (one.role === "crl") return checkList(one, files, config.alarms.crl_left);
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

const copy = "copy the CA's newest list into its place; the node takes it within a minute";

function checkList(
  one: CertificateReport,
  files: readonly ListFilesOf[],
  crlLeft: number,
): Finding {
  const name = [`cert.${one.for}.crl`, `revocation list of ${one.for}`] as const;
  const { file, problem, issuer = "", this_update = "", next_update, entries = 0 } = one;
  if (isCredential(file) && problem?.startsWith("cannot be read") === true) {
    return skip(name, `${file} is a credential that only the service sees`);
  }
  const whose = issuer === "" ? file : `${file}: ${issuer}`;
  if (problem === "has run out" && next_update !== undefined) {
    const fresh = files.find(({ for: object }) => object === one.for)?.crlFresh === true;
    const detail = `${whose}: ${problem} on ${next_update.slice(0, 10)}`;
    return fresh
      ? fail(name, `${detail}, and crl_fresh asks for one that has not`, copy)
      : warn(name, `${detail}; who is on it stays out`, copy);
  }
  if (problem !== undefined) {
    const stranger = problem.includes("not signed") || problem.includes("no list");
    const advice = stranger ? "the lists must be those of the CAs in ca, one of each" : copy;
    return fail(name, `${whose}: ${problem}`, advice);
  }
  const until = next_update === undefined ? "" : `, until ${next_update.slice(0, 10)}`;
  const { days = Number.POSITIVE_INFINITY } = one;
  const life = (Date.parse(next_update ?? "") - Date.parse(this_update)) / 86_400_000;
  if (days < life * crlLeft) return warn(name, `${whose}: ${days} days left${until}`, copy);
  return ok(name, `${issuer}, ${entries} taken back${until}`);
}
