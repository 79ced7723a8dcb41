/** Files of certificates have words of people before and between them. */
import test from "ava";
import { readCertificates } from "../../../../src/host/tls/pem.ts";
import { createAuthority } from "../../../emulator/certificates.ts";

test("what is written before a certificate may begin with a 0, and DER is still known as such", async (t) => {
  const ca = await createAuthority("Root");
  const { cert } = await ca.issue({ commonName: "km-a", dns: ["km-a"], usage: "both", days: 10 });
  const [bare] = readCertificates(Buffer.from(cert));
  const [found] = readCertificates(Buffer.from(`01 the key manager, 2026\n${cert}`));
  t.is(found?.fingerprint256, bare?.fingerprint256);
  t.throws(() => readCertificates(bare?.raw ?? Buffer.of()), { message: /^is DER, not PEM/ });
});
