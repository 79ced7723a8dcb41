/**
 * Checks values against our JSON Schemas (2020-12), by ajv. Objects are closed: a member that no schema
 * names is a problem here, though consumers must ignore it.
 */
import { Ajv2020, type ValidateFunction } from "ajv/dist/2020.js";

type Schema = { readonly [keyword: string]: unknown };

// Strict: a keyword that is not known, and so not checked, is an error.
const ajv = new Ajv2020({ strict: true, allErrors: true, allowUnionTypes: true });
// RFC 3339, but in UTC only.
const utc = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/;
ajv.addFormat("date-time", (text) => utc.test(text) && Number.isFinite(Date.parse(text)));

const compiled = new WeakMap<Schema, ValidateFunction>();

/** The schema without room for other members; an object of which nothing is said may be any. */
function closed(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(closed);
  if (typeof schema !== "object" || schema === null) return schema;
  const { properties, ...rest } = schema as Schema;
  const inner = Object.entries(rest).map(([keyword, value]) => [
    keyword,
    ["items", "oneOf", "additionalProperties"].includes(keyword) ? closed(value) : value,
  ]);
  if (properties === undefined) return Object.fromEntries(inner);
  const members = Object.entries(properties as Schema).map(([name, one]) => [name, closed(one)]);
  return {
    additionalProperties: false,
    ...Object.fromEntries(inner),
    properties: Object.fromEntries(members),
  };
}

/**
 * @param schema complete: it refers to no other
 * @param at what the value is, for the message
 * @returns what is wrong, one line each
 */
export function check(value: unknown, schema: Schema, at: string): string[] {
  let validate = compiled.get(schema);
  if (validate === undefined) {
    validate = ajv.compile(closed(schema) as Schema);
    compiled.set(schema, validate);
  }
  if (validate(value)) return [];
  return (validate.errors ?? []).map(({ instancePath, keyword, message, params }) => {
    const other = keyword === "additionalProperties" ? ` (${params.additionalProperty})` : "";
    return `${at}${instancePath}: ${message}${other}`;
  });
}
