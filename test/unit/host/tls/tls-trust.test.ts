import { X509Certificate } from "node:crypto";
import test from "ava";
import { CrlError } from "../../../../src/host/tls/crl.ts";
import { listsFacts } from "../../../../src/host/tls/lists.ts";
import { Trust } from "../../../../src/host/tls/trust.ts";
import { type Authority, createAuthority } from "../../../emulator/certificates.ts";

const day = 86_400_000;
const now = { wall: Date.now() };

/** A root, an authority below it, and a client of that; what the client shows. */
async function twoTiers(): Promise<{
  root: Authority;
  sub: Authority;
  client: string;
  chain: X509Certificate[];
}> {
  const root = await createAuthority("root");
  const sub = await root.subordinate("sub");
  const { cert } = await sub.issue({ commonName: "km", dns: ["km"], usage: "client" });
  return {
    root,
    sub,
    client: cert,
    chain: [new X509Certificate(cert), new X509Certificate(sub.cert)],
  };
}

test("a chain is good by a CA that is trusted, and by no other of its name", async (t) => {
  const { root, sub, chain } = await twoTiers();
  const namesake = await createAuthority("root");
  const [leaf] = chain as [X509Certificate];
  const trusts = (ca: string, shown = chain) => new Trust({ ca }).refusal(shown, now);
  t.is(trusts(root.cert), undefined);
  t.is(trusts(root.cert + sub.cert, [leaf]), undefined);
  t.is(trusts(namesake.cert + root.cert), undefined);
  t.is(trusts(root.cert, [leaf]), "UNABLE_TO_GET_ISSUER_CERT_LOCALLY");
  t.is(trusts(sub.cert), "UNABLE_TO_GET_ISSUER_CERT_LOCALLY", "it is not self-signed");
  t.is(trusts(namesake.cert), "UNABLE_TO_GET_ISSUER_CERT_LOCALLY");
  t.is(
    trusts(namesake.cert, [...chain, new X509Certificate(root.cert)]),
    "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
    "a root that the peer brings along is not trusted for it",
  );
  t.is(trusts("", chain), "UNABLE_TO_GET_ISSUER_CERT_LOCALLY");
  t.is(new Trust({ ca: root.cert }).refusal([], now), "UNABLE_TO_GET_ISSUER_CERT_LOCALLY");
});

test("a certificate that is none of a CA issues nothing", async (t) => {
  const ca = await createAuthority("CA");
  const { cert } = await ca.issue({ commonName: "CA", dns: ["x"], usage: "both" });
  const leaf = await ca.issue({ commonName: "km", dns: ["km"], usage: "client" });
  const other = await createAuthority("other");
  const chain = [new X509Certificate(leaf.cert), new X509Certificate(cert)];
  t.is(
    new Trust({ ca: other.cert + cert }).refusal(chain, now),
    "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
  );
});

test("a chain is good between the dates of all that is in it", async (t) => {
  const { root, chain } = await twoTiers();
  const at = (days: number) =>
    new Trust({ ca: root.cert }).refusal(chain, { wall: now.wall + days * day });
  t.is(at(0.9), undefined);
  t.is(at(1.1), "CERT_HAS_EXPIRED");
  t.is(at(-1.1), "CERT_NOT_YET_VALID");
});

test("who is on a list is refused, whichever list of the file, and whoever above is on one", async (t) => {
  const { root, sub, client, chain } = await twoTiers();
  const ca = root.cert + sub.cert;
  const [free, empty] = [await root.revoke([]), await sub.revoke([])];
  const taken = await sub.revoke([client]);
  const trusts = (crl: string) => new Trust({ ca, crl }).refusal(chain, now);
  t.is(trusts(free + empty), undefined);
  t.is(trusts(free + taken), "CERT_REVOKED");
  t.is(trusts(taken + free), "CERT_REVOKED");
  t.is(trusts(empty + taken + free), "CERT_REVOKED", "two lists of one CA");
  t.is(trusts((await root.revoke([sub.cert])) + empty), "CERT_REVOKED", "the authority between");
  t.is(trusts(await root.revoke([client])), "UNABLE_TO_GET_CRL", "a serial number is its CA's own");
  t.is(trusts(free), "UNABLE_TO_GET_CRL");
  t.is(trusts(empty), "UNABLE_TO_GET_CRL");
});

test("a list that has run out is enforced, and lets the others in unless it must be fresh", async (t) => {
  const ca = await createAuthority("CA");
  const [good, bad] = await Promise.all(
    ["good", "bad"].map((commonName) => ca.issue({ commonName, usage: "client" })),
  );
  const old = await ca.revoke([bad?.cert ?? ""], { days: -3 });
  const trust = new Trust({ ca: ca.cert, crl: old });
  const chain = (pem = "") => [new X509Certificate(pem)];
  t.is(trust.refusal(chain(good?.cert), now), undefined);
  t.is(trust.refusal(chain(bad?.cert), now), "CERT_REVOKED");
  t.is(trust.refusal(chain(good?.cert), { ...now, crlFresh: true }), "CRL_HAS_EXPIRED");
  const both = new Trust({ ca: ca.cert, crl: old + (await ca.revoke([])) });
  t.is(both.refusal(chain(good?.cert), { ...now, crlFresh: true }), undefined);
});

test("a list of a CA that is not trusted counts for nobody; one that is forged is an error", async (t) => {
  const [ca, gone] = await Promise.all([createAuthority("CA"), createAuthority("gone")]);
  const identity = await ca.issue({ commonName: "km", usage: "client" });
  const chain = [new X509Certificate(identity.cert)];
  const crl = (await gone.revoke([identity.cert])) + (await ca.revoke([]));
  const trust = new Trust({ ca: ca.cert, crl });
  t.is(trust.refusal(chain, now), undefined);
  t.deepEqual(
    trust.strangers.map(({ issuer }) => issuer),
    ["CN=gone"],
  );
  const forged = await ca.revoke([], { forged: true });
  t.throws(() => new Trust({ ca: ca.cert, crl: forged }), {
    instanceOf: CrlError,
    message: /not signed by the CA that it names \(CN=CA\)/,
  });
});

test("what people are told of lists: how much of their life is left, and which CA has none", async (t) => {
  const [ca, other] = await Promise.all([createAuthority("CA"), createAuthority("other")]);
  const identity = await ca.issue({ commonName: "km", usage: "client" });
  const crl = await ca.revoke([identity.cert], { days: 3 });
  const facts = (days: number) => listsFacts(ca.cert + other.cert, crl, now.wall + days * day);
  const { lists, missing } = facts(1);
  t.like(lists[0], { issuer: "CN=CA", entries: 1, problem: undefined });
  t.true(Math.abs((lists[0]?.left ?? 0) - 0.5) < 0.01);
  t.deepEqual(missing, ["CN=other"]);
  t.like(facts(4).lists[0], { left: 0, problem: "has run out" });
});
