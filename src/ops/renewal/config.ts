/** The table `[est]` of a program's configuration: where it has its certificates renewed, and which of them. */
import * as v from "valibot";
import { fileName, judged, text, within } from "../../host/config/values.ts";
import type { CertificateFiles } from "../../host/tls/report.ts";

/** RFC 7030 §3.2.2: the path has one optional label. */
const path = /^\/\.well-known\/est(\/[A-Za-z0-9._~-]{1,64})?\/?$/;

/** @returns what is wrong with it */
export function urlProblem(url: string): string | undefined {
  const form = "expected https://HOST[:PORT]/.well-known/est, or that with a label";
  if (!URL.canParse(url)) return form;
  const { protocol, pathname, username, password, search, hash } = new URL(url);
  if (username !== "" || password !== "") return "expected no password in it: see password_file";
  const isPlain = protocol !== "https:" || search !== "" || hash !== "";
  return isPlain || !path.test(pathname) ? form : undefined;
}

export const estSchema = v.strictObject({
  url: judged(urlProblem),
  ca: fileName,
  username: v.optional(text),
  password_file: v.optional(fileName),
  first: v.optional(fileName),
  at: v.optional(within(0.1, 0.9), 2 / 3),
});

/** Times are parts of a certificate's life. */
export type EstConfig = v.InferOutput<typeof estSchema>;

/** Files that the table names. */
export const estFiles = ["ca", "password_file", "first"] as const;

/** A certificate that is renewed: of which table, and its files. */
export interface Renewable {
  readonly for: string;
  readonly cert: string;
  readonly key: string;
  readonly ca: string | undefined;
}

/** Those in the state folder, each once: a program may write nowhere else. */
export function renewable(stateDir: string, sets: readonly CertificateFiles[]): Renewable[] {
  const found = new Map<string, Renewable>();
  for (const { for: name, cert, key, ca } of sets) {
    if (cert === undefined || key === undefined || found.has(cert)) continue;
    if (cert.startsWith(`${stateDir.replace(/\/+$/, "")}/`)) {
      found.set(cert, { for: name, cert, key, ca });
    }
  }
  return [...found.values()];
}

/** What is good by itself, and no good together. @param complain told the key and what is wrong */
export function checkEst(
  est: EstConfig,
  stateDir: string,
  sets: readonly CertificateFiles[],
  complain: (key: string, what: string) => void,
): void {
  if ((est.username === undefined) !== (est.password_file === undefined)) {
    complain("est", "username and password_file go together");
  }
  if (renewable(stateDir, sets).length > 0) return;
  complain("est", `no certificate is renewed: those are, whose cert is below ${stateDir}`);
}
