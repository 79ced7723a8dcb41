/** The door that nodes and applications come in by over HTTPS: what it says of certificates that it cannot use. */
import test from "ava";
import { systemClock } from "../../../../src/base/clock.ts";
import { Fault } from "../../../../src/base/errors.ts";
import { silentLog } from "../../../../src/base/log.ts";
import { HttpsDoor } from "../../../../src/km/io/https-door.ts";
import { type ServerTexts, standardTimes } from "../../../../src/km/io/tls-door.ts";
import { createAuthority } from "../../../emulator/certificates.ts";

function doorOf(tls: ServerTexts): HttpsDoor {
  return new HttpsDoor({
    ...{ name: "key delivery", code: "web.listen", host: "127.0.0.1", port: 0, tls },
    ...{ times: standardTimes, clock: systemClock, log: silentLog, serve: async () => {} },
  });
}

test("certificates that cannot be used are a fault of the door that would show them", async (t) => {
  const [ca, other] = await Promise.all([createAuthority("CA"), createAuthority("CA")]);
  const about = { commonName: "km", dns: ["km"], usage: "server" } as const;
  const [one, two] = await Promise.all([ca.issue(about), ca.issue(about)]);
  const said = (act: () => unknown) => {
    const { code, message } = t.throws(act, { instanceOf: Fault });
    return `${code} ${message}`;
  };
  const mixed = { ca: ca.cert, cert: one.cert, key: two.key };
  const foreign =
    /^web\.listen .*key delivery: certificates cannot be used: the private key belongs to another/;
  t.regex(
    said(() => doorOf(mixed)),
    foreign,
  );

  const door = doorOf({ ca: ca.cert, ...one });
  t.teardown(() => door.close());
  await door.listen();
  t.regex(
    said(() => door.renew(mixed)),
    foreign,
  );
  const crl = await other.revoke([]);
  t.regex(
    said(() => door.renew({ ca: ca.cert, ...one, crl })),
    /^web\.listen .*key delivery: certificates cannot be used: revocation list is not signed by the CA/,
  );
});
