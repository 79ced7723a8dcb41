/** Certificates of registered components: who gets one, until when, and what is told of those that are taken back. */
import { createPrivateKey, X509Certificate } from "node:crypto";
import test from "ava";
import type { Saved } from "../../../src/controller/core/world.ts";
import { authorityOf } from "../../../src/controller/wiring/authority.ts";
import { parseCrls } from "../../../src/host/tls/crl.ts";
import type { CkMessage } from "../../../src/wire/ck/messages.ts";
import {
  longestList,
  revocationExtensions,
  revocationIn,
} from "../../../src/wire/ck/revocations.ts";
import { createAuthority, createRequest } from "../../emulator/certificates.ts";
import { faultOf } from "../../fault-of.ts";
import { noon, Rig } from "./rig.ts";

const day = 86_400_000;
const ca = await createAuthority("CA", { wall: () => noon, now: () => 0 } as never, 400);
const authority = authorityOf(
  { certificate: new X509Certificate(ca.cert), key: createPrivateKey(await ca.exportKey()) },
  { life: 90 * day, list_life: 7 * day },
);
const { request } = await createRequest("x");

function rig(saved?: Saved, role?: "standby") {
  const access = { openToKms: false, openToApplications: false, applications: [] };
  return new Rig({ nodes: [{ km: "km-a", names: ["a.example"] }], access }, saved, role, authority);
}

function codeOf(act: () => unknown): string | undefined {
  return faultOf(act)?.code;
}

function issue({ core }: Rig, kind: "km" | "application", id: string, names: string[] = []) {
  return core.certificates.issue(core.certificates.wanted(kind, id, request, names), "me");
}

/** What a KM is told with the answer to its report. */
function told(one: Rig, km = "km-a"): string[] | undefined {
  const answer = one.report(km, []) as CkMessage;
  const list = revocationIn(answer);
  if (list === undefined) return undefined;
  const [crl] = parseCrls(
    `-----BEGIN X509 CRL-----\n${list.der.toString("base64")}\n-----END X509 CRL-----\n`,
  );
  return [...(crl?.revoked ?? [])];
}

test("who is registered has a certificate, what is taken back is told to each KM once, and again after a restart", (t) => {
  const one = rig();
  one.attach("km-a", []);
  t.is(told(one), undefined, "told with the whole report");
  t.is(
    codeOf(() => issue(one, "application", "app-x")),
    "config.value",
  );
  one.core.register("application", "app-x", "me");
  const { serial, certificate } = issue(one, "application", "app-x");
  const made = new X509Certificate(certificate);
  t.is(made.subjectAltName, "DNS:app-x");
  t.is(made.validToDate.getTime(), noon + 90 * day);
  one.core.certificates.revoke(serial.toUpperCase(), "key_compromise", "me");
  t.deepEqual(told(one), [serial.replace(/^0+/, "")]);
  t.is(told(one), undefined);
  one.core.attached("km-a");
  t.is(told(one)?.length, 1);
  t.is(
    codeOf(() => one.core.certificates.revoke(serial, "superseded", "me")),
    "config.value",
  );
  t.is(
    codeOf(() => one.core.certificates.revoke("00", "superseded", "me")),
    "config.value",
  );

  const number = one.core.certificates.list?.number ?? 0;
  const next = rig(one.kept());
  t.true((next.core.certificates.list?.number ?? 0) > number);
  next.attach("km-a", []);
  next.core.attached("km-a");
  t.is(told(next)?.length, 1);
  t.like(next.core.certificates.status()[0], { serial, state: "revoked", kind: "application" });
});

test("a component that is withdrawn loses all it has, and no other", (t) => {
  const one = rig();
  for (const id of ["app-x", "app-y"]) one.core.register("application", id, "me");
  const all = ["app-x", "app-x", "app-y"].map((id) => issue(one, "application", id).serial);
  one.core.revoke("application", "app-x", "me");
  const states = new Map(
    one.core.certificates.status().map(({ serial, state }) => [serial, state]),
  );
  t.deepEqual(
    all.map((serial) => states.get(serial)),
    ["revoked", "revoked", "good"],
  );
  t.is(
    codeOf(() => issue(one, "application", "app-x")),
    "config.value",
  );
});

test("no certificate has the name of another component", (t) => {
  const one = rig();
  const refused = (kind: "km" | "application", id: string, names?: string[]) =>
    codeOf(() => one.core.certificates.wanted(kind, id, request, names)) === "config.value";
  one.core.register("application", "app-x", "me");
  one.core.register("km", "km-r", "me");
  for (const name of ["km-a", "A.EXAMPLE", "km-r"]) t.true(refused("application", name), name);
  t.true(refused("application", "app-x", ["a.example"]));
  t.true(refused("km", "app-x"));
  t.true(refused("km", "km-a", ["app-x"]));
  t.false(refused("km", "km-a", ["a.example", "10.0.0.1"]));
  // Not registered as anything, but in a certificate.
  issue(one, "application", "app-x", ["urn:x", "other"]);
  t.true(refused("km", "km-r", ["other"]));
  t.is(
    codeOf(() => one.core.register("km", "other", "me")),
    "config.value",
  );
  t.false(refused("application", "app-x", ["other"]));
  // An ID that is no name of a certificate is its common name; one of a key manager must be one.
  t.false(refused("application", "two words"));
  t.true(refused("km", "two words"));
  t.true(refused("application", "app-x", ["no name"]));
  t.true(codeOf(() => one.core.certificates.wanted("km", "km-a", "no request")) === "config.value");
});

test("a component has so many at a time; old ones are forgotten, lists are made anew in time", (t) => {
  const one = rig();
  one.core.register("application", "app-x", "me");
  const serials = Array.from({ length: 32 }, () => issue(one, "application", "app-x").serial);
  t.is(
    codeOf(() => issue(one, "application", "app-x")),
    "config.value",
  );
  const { number = 0 } = one.core.certificates.list ?? {};
  one.wall += 3 * day;
  one.pass(60_250);
  t.is(one.core.certificates.list?.number, number);
  one.wall += day;
  one.pass(60_250);
  t.is(one.core.certificates.list?.number, number + 1);
  t.deepEqual(one.core.certificates.expiring(30 * day), []);
  one.wall = noon + 61 * day;
  t.deepEqual(one.core.certificates.expiring(30 * day), [
    { name: "application:app-x", to: noon + 90 * day },
  ]);
  one.core.certificates.revoke(serials[0] ?? "", "superseded", "me");
  issue(one, "application", "app-x");
  t.deepEqual(one.core.certificates.expiring(30 * day), []);
  const listed = () => parseCrls(one.core.certificates.list?.pem ?? "").map((l) => l.revoked.size);
  // A clock that was ahead for a minute makes nothing old.
  const was = one.wall;
  one.wall = noon + 300 * day;
  one.pass(60_250);
  one.wall = was + 60_250;
  one.pass(60_250);
  t.is(one.core.certificates.status().length, 33);
  t.deepEqual(listed(), [1]);
  // Old is what has run out a day ago, for a day.
  one.wall = noon + 92 * day;
  one.pass(60_250);
  t.is(one.core.certificates.status().length, 33);
  one.now += day;
  one.pass(60_250);
  t.is(one.core.certificates.status().length, 1);
  t.is(one.saved.get("certificate")?.size, 1);
});

test("a controller that stands by tells no list, and one without authority issues nothing", (t) => {
  const standby = rig(undefined, "standby");
  standby.attach("km-a", []);
  t.is(told(standby), undefined);
  t.is(standby.core.certificates.list, undefined);
  const none = new Rig();
  none.core.register("application", "app-x", "me");
  t.is(
    codeOf(() => issue(none, "application", "app-x")),
    "config.value",
  );
  t.is(
    codeOf(() => none.core.certificates.revoke("01", "unspecified", "me")),
    "config.value",
  );
});

test("a list is told in parts, and only all of them are one", (t) => {
  const der = Buffer.alloc(50_000, 7);
  const parts = revocationExtensions({ number: 3, der });
  t.true(parts.length > 10 && parts.every((one) => JSON.stringify(one).length < 8_192));
  const read = (extension: typeof parts) =>
    revocationIn({ type: "reportResponse", response: "success", extension });
  t.deepEqual(read([{ standby: true }, ...parts]), { number: 3, der });
  t.is(read(parts.slice(1)), undefined);
  t.is(read(parts.slice(0, -1)), undefined);
  t.is(read([...parts].reverse()), undefined);
  t.is(read([]), undefined);
  for (const value of [
    null,
    1,
    "x",
    {},
    { number: "1", part: 0, of: 1, der: "" },
    { number: 1, part: 0, of: 1, der: "?" },
  ]) {
    t.is(read([{ revocation_list: value }]), undefined);
  }
  t.deepEqual(revocationExtensions({ number: 1, der: Buffer.alloc(longestList + 1) }), []);
});
