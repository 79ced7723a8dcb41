import { X509Certificate } from "node:crypto";
import test from "ava";
import { processMemory } from "../../../../src/host/life/memory-trim.ts";
import { sharedCertificate } from "../../../../src/host/tls/shared-certificates.ts";
import { createAuthority } from "../../../emulator/certificates.ts";
import { eventually } from "../../../eventually.ts";

test("a certificate is in memory once for all who have it, and no longer than they do", async (t) => {
  const ca = await createAuthority("CA");
  const der = new X509Certificate(ca.cert).raw;
  const { cert } = await ca.issue({ commonName: "a", dns: ["a"], usage: "both" });
  const take = () => {
    const first = sharedCertificate(der);
    t.is(sharedCertificate(Buffer.from(der)), first);
    t.not(sharedCertificate(new X509Certificate(cert).raw), first);
    return new WeakRef(first);
  };
  const held = take();
  const left = () => {
    processMemory.giveBack();
    return held.deref() === undefined;
  };
  await eventually("the certificate is forgotten", left, { is: true });
  t.is(sharedCertificate(der).fingerprint256, new X509Certificate(ca.cert).fingerprint256);
  t.throws(() => sharedCertificate(Buffer.from("none")));
});
