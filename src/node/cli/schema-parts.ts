/** What JSON Schemas of the commands are made of. Pure. */

export type Schema = { readonly [keyword: string]: unknown };

export const text = { type: "string" } as const;
export const flag = { type: "boolean" } as const;
export const number = { type: "number" } as const;
export const count = { type: "integer", minimum: 0 } as const;
export const time = { type: "string", format: "date-time" } as const;
export const oneOf = (...values: readonly string[]) => ({ type: "string", enum: values });
export const about = (schema: Schema, description: string) => ({ ...schema, description });
export const list = (items: Schema) => ({ type: "array", items });
export const mapOf = (additionalProperties: Schema) => ({ type: "object", additionalProperties });

export function object(
  properties: Readonly<Record<string, Schema>>,
  optional: readonly string[] = [],
): Schema {
  const required = Object.keys(properties).filter((name) => !optional.includes(name));
  return { type: "object", properties, required };
}
