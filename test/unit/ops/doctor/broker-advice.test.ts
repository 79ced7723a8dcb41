/** What is said, and advised, where a broker's TLS fails. */
import test from "ava";
import { brokerAdvice } from "../../../../src/ops/doctor/broker.ts";
import { brokerReason } from "../../../../src/ops/mqtt/client.ts";

const cases = {
  ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION: [/broker does not speak TLS 1\.3/, /needs TLS 1\.3/],
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: [/certificate is from another CA/, /check manager\.ca/],
  SELF_SIGNED_CERT_IN_CHAIN: [/certificate is from another CA/, /check manager\.ca/],
  CERT_HAS_EXPIRED: [/broker's certificate has expired/, /another certificate; is the clock/],
  CERT_NOT_YET_VALID: [/not valid yet/, /another certificate; is the clock/],
  CERT_REVOKED: [/broker's certificate was revoked/, /taken back/],
  CRL_HAS_EXPIRED: [/revocation list/, /manager\.crl/],
  ERR_TLS_CERT_ALTNAME_INVALID: [/names another broker/, /another host than url/],
  ERR_SSL_SSLV3_ALERT_CERTIFICATE_REVOKED: [/refuses our certificate/, /take manager\.cert/],
  ERR_SSL_SSLV3_ALERT_CERTIFICATE_EXPIRED: [/refuses our certificate/, /take manager\.cert/],
  ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED: [/refuses our certificate/, /take manager\.cert/],
  ERR_SSL_TLSV1_ALERT_UNKNOWN_CA: [/refuses our certificate/, /take manager\.cert/],
  ERR_SSL_WRONG_VERSION_NUMBER: [/ERR_SSL/, /check url/],
} as const;
for (const [code, [reason, advice]] of Object.entries(cases)) {
  test(`${code} is told in words, with what to do`, (t) => {
    const why = brokerReason(Object.assign(new Error("x"), { code }));
    t.regex(why, reason);
    t.true(why.includes(code));
    t.regex(brokerAdvice(why, true), advice);
  });
}
