/** Where the page is served, and who may see it: the table `web` of a program's configuration. */
import * as v from "valibot";
import { fileName, listener, peer, whole } from "../../host/config/values.ts";
import { isLoopback } from "./host.ts";

/** @param port where it is if nothing is said */
export function webTable(port: number) {
  return v.strictObject({
    enabled: v.optional(v.boolean(), true),
    host: v.optional(listener, "127.0.0.1"),
    port: v.optional(whole(0, 65_535), port),
    names: v.optional(v.pipe(v.array(peer), v.maxLength(16, "expected at most 16")), []),
    cert: v.optional(fileName),
    key: v.optional(fileName),
    require_pq: v.optional(v.boolean()),
    password_file: v.optional(fileName),
    metrics_token_file: v.optional(fileName),
  });
}

export type WebConfig = v.InferOutput<ReturnType<typeof webTable>>;

/** What of it is a file's name. */
export const webFiles = ["cert", "key", "password_file", "metrics_token_file"] as const;

/** The page shows a program to anybody who can reach it: beyond this machine only with TLS and a login. */
export function checkWeb(web: WebConfig, complain: (key: string, what: string) => void): void {
  const files = [web.cert, web.key, web.password_file];
  const given = files.filter((name) => name !== undefined).length;
  if (given > 0 && given < files.length) {
    complain("web", "cert, key and password_file go together");
  } else if (web.enabled && given === 0 && !isLoopback(web.host)) {
    complain("web.host", "beyond loopback the page needs cert, key and password_file");
  }
  if (given === 0 && web.metrics_token_file !== undefined) {
    complain("web.metrics_token_file", "has no use without cert, key and password_file");
  }
}
