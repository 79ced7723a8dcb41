/**
 * Checks values against JSON Schemas, as far as the contract uses them. Objects are closed: a member
 * that no schema names is a problem here, though consumers must ignore it.
 */

type Schema = { readonly [keyword: string]: unknown };
/** A schema file by its reference. */
export type Resolve = (reference: string) => Schema;

const known = new Set([
  "$schema",
  "$ref",
  "title",
  "description",
  "type",
  "enum",
  "pattern",
  "format",
  "minimum",
  "maximum",
  "maxLength",
  "properties",
  "required",
  "additionalProperties",
  "items",
  "oneOf",
]);

function typeOf(value: unknown): readonly string[] {
  if (value === null) return ["null"];
  if (Array.isArray(value)) return ["array"];
  if (typeof value === "number")
    return Number.isInteger(value) ? ["integer", "number"] : ["number"];
  return [typeof value];
}

function object(value: object, schema: Schema, at: string, resolve: Resolve): string[] {
  const properties = (schema.properties ?? {}) as Readonly<Record<string, Schema>>;
  const required = (schema.required ?? []) as readonly string[];
  const others = schema.additionalProperties as Schema | undefined;
  const missing = required
    .filter((name) => !(name in value))
    .map((name) => `${at}.${name}: missing`);
  // `args` of a command: anything.
  if (schema.properties === undefined && others === undefined) return missing;
  const wrong = Object.entries(value).flatMap(([name, member]) => {
    const own = properties[name] ?? others;
    return own === undefined
      ? [`${at}.${name}: unknown`]
      : check(member, own, `${at}.${name}`, resolve);
  });
  return [...missing, ...wrong];
}

function text(value: string, schema: Schema, at: string): string[] {
  const { pattern, maxLength, format } = schema;
  const problems: string[] = [];
  if (typeof pattern === "string" && !new RegExp(pattern).test(value))
    problems.push(`${at}: pattern`);
  if (typeof maxLength === "number" && value.length > maxLength) problems.push(`${at}: too long`);
  const time = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/;
  if (format === "date-time" && !(time.test(value) && Number.isFinite(Date.parse(value)))) {
    problems.push(`${at}: no time`);
  }
  return problems;
}

/** @returns what is wrong, one line each */
export function check(value: unknown, schema: Schema, at: string, resolve: Resolve): string[] {
  const odd = Object.keys(schema).filter((keyword) => !known.has(keyword));
  if (odd.length > 0) return [`${at}: the schema uses ${odd.join()}, which is not checked`];
  if (typeof schema.$ref === "string") return check(value, resolve(schema.$ref), at, resolve);
  if (Array.isArray(schema.oneOf)) {
    const tries = schema.oneOf.map((each: Schema) => check(value, each, at, resolve));
    const good = tries.filter((problems) => problems.length === 0).length;
    return good === 1 ? [] : [`${at}: fits ${good} of its forms`, ...tries.flat()];
  }
  const types = schema.type === undefined ? [] : [schema.type].flat();
  if (types.length > 0 && !typeOf(value).some((type) => types.includes(type))) {
    return [`${at}: is no ${types.join(" or ")}`];
  }
  if (Array.isArray(schema.enum) && !schema.enum.includes(value)) return [`${at}: not of the list`];
  if (typeof value === "string") return text(value, schema, at);
  if (typeof value === "number") {
    const { minimum = -Infinity, maximum = Infinity } = schema as {
      minimum?: number;
      maximum?: number;
    };
    return value >= minimum && value <= maximum ? [] : [`${at}: out of range`];
  }
  if (Array.isArray(value)) {
    const items = schema.items as Schema;
    return value.flatMap((item, i) => check(item, items, `${at}[${i}]`, resolve));
  }
  if (typeof value === "object" && value !== null) return object(value, schema, at, resolve);
  return [];
}
