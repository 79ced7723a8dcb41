/** Where applications of anybody may ask for keys while the show runs: a file, and a line to type. */
import { renameSync, writeFileSync } from "node:fs";
import type { KmOfPair, KmPair } from "../../test/rig/km-pair.ts";

/** Names of the ends in the file. */
const shortNames = { alice: "a", bob: "b" } as const;

export interface Endpoints {
  /** By end. */
  readonly kms: Readonly<
    Record<
      string,
      {
        readonly url: string;
        readonly ca: string;
        /** Over SKIP, as the first application of this end: a file of hexadecimal digits. */
        readonly skip: {
          readonly host: string;
          readonly port: number;
          readonly psk_identity: string;
          readonly psk_file: string;
        };
      }
    >
  >;
  /** By SAE ID; paths of PEM files. */
  readonly saes: Readonly<
    Record<
      string,
      {
        readonly km: string;
        readonly cert: string;
        readonly key: string;
        readonly sae_id: string;
      }
    >
  >;
}

export function endpointsOf({ kms }: KmPair): Endpoints {
  const name = ({ end }: KmOfPair) => shortNames[end];
  return {
    kms: Object.fromEntries(
      kms.map((km) => {
        const [{ saeId = "", pskFile = "" } = {}] = km.applications;
        const skip = { ...km.skip, psk_identity: saeId, psk_file: pskFile };
        return [name(km), { url: km.url, ca: km.node.ca, skip }];
      }),
    ),
    saes: Object.fromEntries(
      kms.flatMap((km) =>
        km.applications.map(({ saeId, cert, key }) => [
          saeId,
          { km: name(km), cert, key, sae_id: saeId },
        ]),
      ),
    ),
  };
}

/** The file is whole as soon as it is there. @throws Error */
export function writeEndpoints(file: string, endpoints: Endpoints): void {
  const made = `${file}.${process.pid}.new`;
  writeFileSync(made, `${JSON.stringify(endpoints, undefined, 2)}\n`, { mode: 0o600 });
  renameSync(made, file);
}

/** A command that asks Alice's KM for a key, with the certificate of an application that the show leaves alone. */
export function curlLine({ alice, bob }: KmPair): string {
  const [, mine] = alice.applications;
  const [, theirs] = bob.applications;
  if (mine === undefined || theirs === undefined) return "";
  const files = `--cacert ${mine.ca} --cert ${mine.cert} --key ${mine.key}`;
  return `curl ${files} ${alice.url}/api/v1/keys/${theirs.saeId}/enc_keys`;
}
