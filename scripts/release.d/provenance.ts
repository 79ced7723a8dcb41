/**
 * Where a release comes from: an in-toto statement (v1) with SLSA's provenance (v1). Without times, so that who builds
 * it again has the same one. Pure.
 */

export interface Digested {
  readonly name: string;
  /** SHA-256, hexadecimal. */
  readonly sha256: string;
}

export interface Origin {
  readonly version: string;
  /** Of git, 40 hexadecimal digits. */
  readonly commit: string;
  /** Whether the sources were those of the commit, and nothing else. */
  readonly clean: boolean;
  readonly parts: readonly string[];
  readonly boards: readonly string[];
  /** Files that pin what was fetched. */
  readonly locks: readonly Digested[];
  /** Where Node.js comes from: a purl, and npm's integrity. */
  readonly runtimes: readonly { readonly purl: string; readonly sha512: string }[];
  /** Signed by keys that were made on the builder's machine. */
  readonly development: boolean;
}

export function provenance(subjects: readonly Digested[], origin: Origin): string {
  const { version, commit, clean, parts, boards, locks, runtimes, development } = origin;
  const statement = {
    _type: "https://in-toto.io/Statement/v1",
    subject: subjects.map(({ name, sha256 }) => ({ name, digest: { sha256 } })),
    predicateType: "https://slsa.dev/provenance/v1",
    predicate: {
      buildDefinition: {
        buildType: "urn:qkd-node:scripts/release:1",
        externalParameters: { version, parts, boards },
        internalParameters: { clean, development_keys: development },
        resolvedDependencies: [
          { uri: "git+file:.", digest: { gitCommit: commit } },
          ...locks.map(({ name, sha256 }) => ({ uri: `file:${name}`, digest: { sha256 } })),
          ...runtimes.map(({ purl, sha512 }) => ({ uri: purl, digest: { sha512 } })),
        ],
      },
      runDetails: { builder: { id: "urn:qkd-node:scripts/release" } },
    },
  };
  return `${JSON.stringify(statement, undefined, 2)}\n`;
}

/** As `sha256sum --check` reads it. */
export function sums(files: readonly Digested[]): string {
  return files.map(({ name, sha256 }) => `${sha256}  ${name}\n`).join("");
}
