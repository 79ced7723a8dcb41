/** The number of a release, in all files that have it, and its section of the changelog. Pure. */

/** Semantic Versioning 2.0, without build metadata: Debian's and RAUC's versions have another sense of `+`. */
export const versionForm =
  /^(0|[1-9]\d{0,5})\.(0|[1-9]\d{0,5})\.(0|[1-9]\d{0,5})(-[0-9A-Za-z.-]{1,32})?$/;

/** @returns what stands under a version's heading; undefined: it has none */
export function sectionOf(changelog: string, version: string): string | undefined {
  const heading = `## [${version}]`;
  const lines = changelog.split("\n");
  const from = lines.findIndex((line) => line === heading || line.startsWith(`${heading} `));
  if (from < 0) return undefined;
  const to = lines.findIndex((line, i) => i > from && line.startsWith("## "));
  const text = lines.slice(from + 1, to < 0 ? undefined : to);
  return `${text.join("\n").trim()}\n`;
}

/**
 * What was not released yet is this version's from now on.
 * @param date as in RFC 3339, the day alone
 * @returns undefined: nothing is there to be released, or the version was
 */
export function numbered(changelog: string, version: string, date: string): string | undefined {
  const open = sectionOf(changelog, "Unreleased")?.trim() ?? "";
  if (open === "" || sectionOf(changelog, version) !== undefined) return undefined;
  return changelog.replace("## [Unreleased]\n", `## [Unreleased]\n\n## [${version}] - ${date}\n`);
}

/** Of a file with a member `version`, or a constant `softwareVersion`: the first of them is the project's own. */
export function withVersion(text: string, version: string): string {
  const form = /("version": |softwareVersion = )"[^"]*"/;
  return text.replace(form, (_, name: string) => `${name}"${version}"`);
}
