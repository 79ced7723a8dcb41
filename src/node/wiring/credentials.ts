/** Certificates of the configuration: read when they are needed, watched while the node runs. */

import type { Clock } from "../../base/clock.ts";
import type { Log } from "../../base/log.ts";
import {
  type Credentials,
  filesOf,
  KeptCredentials,
  readCredentials,
} from "../../host/tls/credentials.ts";
import {
  allRead,
  type CertificateWatch,
  type Watched,
  watchCertificates,
} from "../../host/tls/watch.ts";
import type { Page } from "../../ops/page/page.ts";
import type { CertificateTables, KmConfig, ServerConfig } from "../config/tables.ts";
import type { KmEndpoint, TlsIdentity } from "../io/connect.ts";
import type { KeyServer } from "../io/https-server.ts";
import type { Channel } from "../module/channel.ts";
import type { Monitoring } from "./monitoring.ts";

/**
 * Where a KM is. The certificates are read each time: they may have been renewed.
 * @returns throws Fault `kq1.connect`
 */
export function endpointOf(km: KmConfig): () => KmEndpoint {
  const files = filesOf(km);
  const kept = files && new KeptCredentials(files, "kq1.connect");
  return () => ({
    host: km.host,
    port: km.port,
    serverName: km.server_name ?? km.host,
    tls: kept && identity(kept.read(), km),
    connectTimeout: km.connect_timeout,
  });
}

/** What the key server shows and asks for. @throws Fault `kq1.connect` */
export function serverIdentity(server: ServerConfig): TlsIdentity {
  return identity(readCredentials(server, "kq1.connect"), server);
}

function identity(
  credentials: Credentials,
  { crl_fresh: crlFresh, require_pq: requirePq }: Pick<KmConfig, "crl_fresh" | "require_pq">,
): TlsIdentity {
  return { ...credentials, crlFresh, requirePq };
}

/** Who shows certificates. */
export interface CertificateUsers {
  readonly channels: readonly Pick<Channel, "recheck">[];
  readonly server: KeyServer | undefined;
  readonly page: Page | undefined;
}

/** Looks at every certificate once a minute, and when told to. */
export function watchAll(
  tables: CertificateTables,
  { channels, server, page }: CertificateUsers,
  clock: Clock,
  log: Log,
): CertificateWatch {
  const kms = new Set(tables.modules.flatMap((module) => module.kms));
  const watched: Watched[] = [...kms].flatMap((km) => {
    const files = filesOf(km);
    const onLook = () => {
      for (const channel of channels) channel.recheck(km.name);
    };
    return files === undefined ? [] : [{ name: `km.${km.name}`, files, onLook }];
  });
  for (const { name, driver } of tables.modules) {
    // Drivers read them anew by themselves.
    for (const files of driver.certificates) {
      watched.push({ name: `module.${name}.${files.for}`, files });
    }
  }
  const files = tables.server;
  if (files !== undefined) {
    const onChange = (now: Credentials) => server?.renew(identity(now, files));
    watched.push({ name: "server", files, onChange, onLook: () => server?.recheck() });
  }
  const { cert, key, enabled } = tables.web;
  if (enabled && cert !== undefined && key !== undefined) {
    watched.push({ name: "web", files: { ca: cert, cert, key }, onChange: () => page?.renew() });
  }
  return watchCertificates(watched, clock, log, ({ type, facts }) => log.warn(type, facts));
}

/** Takes renewed certificates now. @throws Fault `config.file`: some cannot be read */
export async function reloadCertificates(
  watch: CertificateWatch,
  monitoring: Monitoring,
): Promise<void> {
  const unreadable = [...watch.look()];
  if (monitoring.renewed() !== undefined) unreadable.push("manager");
  allRead(unreadable);
}
