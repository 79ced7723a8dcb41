import { X509Certificate } from "node:crypto";
import test from "ava";
import { processMemory } from "../../../../src/host/life/memory-trim.ts";
import {
  certificatesShared,
  sharedCertificate,
} from "../../../../src/host/tls/shared-certificates.ts";
import { createAuthority } from "../../../emulator/certificates.ts";
import { eventually } from "../../../eventually.ts";

test("a certificate is in memory once for all who have it, and no longer than they do", async (t) => {
  const ca = await createAuthority("CA");
  const der = new X509Certificate(ca.cert).raw;
  const before = certificatesShared();
  const held = [sharedCertificate(der), sharedCertificate(Buffer.from(der))];
  t.is(held[0], held[1]);
  t.is(certificatesShared(), before + 1);
  const { cert } = await ca.issue({ commonName: "a", dns: ["a"], usage: "both" });
  t.not(sharedCertificate(new X509Certificate(cert).raw), held[0]);
  t.is(certificatesShared(), before + 2);
  held.length = 0;
  const left = () => {
    processMemory.giveBack();
    return certificatesShared();
  };
  await eventually("certificates are forgotten", left, { is: before });
  t.throws(() => sharedCertificate(Buffer.from("none")));
});
