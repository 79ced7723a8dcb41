/**
 * What a record of each table must be. What a database has may be of other hands: the core trusts what it is given, and
 * would end of what is none. Members that are not known are of a later version, and stay.
 */
import * as v from "valibot";
import { revocationReasons } from "../../../host/tls/issue.ts";
import type { SavedTable } from "../../core/world.ts";
import { type ChangeStatus, changeKinds, services } from "../../model/status.ts";

const text = v.string();
/** ms since 1970 UTC, as far as there are dates. */
const time = v.pipe(v.number(), v.minValue(0), v.maxValue(8_640_000_000_000_000));
const whole = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const figure = v.pipe(v.number(), v.finite());
const component = v.picklist(["km", "application"]);
const ordered = { by: text, at: time };

export const shapes: { readonly [T in SavedTable]: v.GenericSchema } = {
  session: v.looseObject({
    source: text,
    destination: text,
    sourceKm: text,
    destinationKm: text,
    since: time,
    until: time,
    number: v.optional(figure),
    // A key manager's word, and its clock may be wrong.
    began: v.optional(figure),
  }),
  service: v.looseObject({ service: v.picklist(services), ...ordered }),
  access: v.looseObject({
    state: v.picklist(["registered", "revoked"]),
    ...ordered,
    km: v.optional(text),
    class: v.optional(text),
  }),
  certificate: v.looseObject({
    kind: component,
    id: text,
    names: v.array(text),
    from: time,
    to: time,
    by: text,
    revoked: v.optional(
      v.looseObject({
        ...ordered,
        reason: v.picklist(
          Object.keys(revocationReasons) as readonly (keyof typeof revocationReasons)[],
        ),
      }),
    ),
  }),
  list: v.looseObject({ number: whole }),
  routes: v.looseObject({ routes: v.array(v.pipe(v.array(text), v.minLength(2))), ...ordered }),
  account: v.looseObject({
    from: time,
    length: v.pipe(v.number(), v.minValue(1), v.maxValue(86_400_000)),
    kind: v.picklist(["application", "pair", "link"]),
    object: text,
    keys: figure,
    bits: figure,
    refused: figure,
    made: figure,
    consumed: figure,
    relays: figure,
    relayed: figure,
    failed: figure,
    sessions: figure,
    session_s: figure,
  }),
};

const change = v.looseObject({
  time: v.pipe(
    text,
    v.check((one) => Number.isFinite(Date.parse(one))),
  ),
  kind: v.picklist(changeKinds),
  object: text,
  text,
  after_ms: v.optional(figure),
});

/** @returns undefined: it is no change, and left out of what is shown */
export function changeOf(json: string): ChangeStatus | undefined {
  try {
    const value: unknown = JSON.parse(json);
    return v.is(change, value) ? (value as ChangeStatus) : undefined;
  } catch {
    return undefined;
  }
}
