/** Where applications of anybody may ask for keys while the show runs: a file, and a line to type. */
import { renameSync, writeFileSync } from "node:fs";
import type { KmOfPair } from "../../test/rig/km-pair.ts";
import type { RigController } from "../../test/rig/network-controller.ts";

/** A KM that applications ask, as the file has it. */
export type ToldKm = Pick<KmOfPair, "url" | "applications" | "skip"> & {
  readonly end: string;
  readonly node: { readonly ca: string };
};

/** A controller that key managers connect to, as the file has it. */
export type ToldController = Pick<RigController, "at" | "spare" | "page">;

interface Address {
  readonly host: string;
  readonly port: number;
}

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
  /** Of a network: where a KM of yours may connect, as one that is registered and that no process uses. */
  readonly controller?: {
    readonly ck_tcp: Address;
    readonly ck_grpc: Address;
    readonly ca: string;
    readonly km_id: string;
    readonly km_cert: string;
    readonly km_key: string;
  };
}

/** @param kms by the first letter of their ends */
export function endpointsOf(kms: readonly ToldKm[], controller?: ToldController): Endpoints {
  const name = ({ end }: ToldKm) => end.slice(0, 1);
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
    ...(controller && { controller: controllerOf(controller) }),
  };
}

/** One port for both: TLS's ALPN says which. */
function controllerOf({ at, spare }: ToldController): NonNullable<Endpoints["controller"]> {
  const { id, ca, cert, key } = spare;
  return { ck_tcp: at, ck_grpc: at, ca, km_id: id, km_cert: cert, km_key: key };
}

/** The file is whole as soon as it is there. @throws Error */
export function writeEndpoints(file: string, endpoints: Endpoints): void {
  const made = `${file}.${process.pid}.new`;
  writeFileSync(made, `${JSON.stringify(endpoints, undefined, 2)}\n`, { mode: 0o600 });
  renameSync(made, file);
}

/** A command that asks a KM for a key of two applications that the show leaves alone. */
export function curlLine(
  asked: Pick<ToldKm, "url" | "applications">,
  other: Pick<ToldKm, "applications">,
): string {
  const [, mine] = asked.applications;
  const [, theirs] = other.applications;
  if (mine === undefined || theirs === undefined) return "";
  const files = `--cacert ${mine.ca} --cert ${mine.cert} --key ${mine.key}`;
  return `curl ${files} ${asked.url}/api/v1/keys/${theirs.saeId}/enc_keys`;
}
