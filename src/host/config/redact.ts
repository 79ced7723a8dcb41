/**
 * A configuration that may be shown. What is shown is named here; anything else, such as a key that
 * stands in the wrong place, is not. Pure, and without dependencies.
 */

/** What of a configuration may be shown. */
export interface Shown {
  /** Every key that there is. None of them holds a secret: secrets are in files. */
  readonly keys: ReadonlySet<string>;
  /** Tables whose own tables have names that an operator chose. */
  readonly named: readonly string[];
}

export const redacted = "(not shown)";

/** Longer than any name, path or public key that belongs into a configuration, characters. */
const longest = 512;

function show(shown: Shown, value: unknown, key: string, depth: number): unknown {
  if (depth > 8) return redacted;
  if (Array.isArray(value)) return value.map((one) => show(shown, one, key, depth + 1));
  if (value instanceof Date) return value.toISOString();
  if (typeof value === "object" && value !== null) {
    const named = shown.named.includes(key) && depth === 1;
    return Object.fromEntries(
      Object.entries(value).map(([name, inner]) => {
        if (!named && !shown.keys.has(name)) return [shortName(name), redacted];
        return [shortName(name), show(shown, inner, name, depth + 1)];
      }),
    );
  }
  if (typeof value === "string" && !harmless(value, isFile(key))) return redacted;
  return typeof value === "bigint" ? String(value) : value;
}

/** Keys whose value is a file's name. */
function isFile(key: string): boolean {
  return ["ca", "cert", "key", "crl"].includes(key) || key.endsWith("_file");
}

function shortName(name: string): string {
  return name.length <= 64 ? name : redacted;
}

/**
 * Not a key in PEM, no password in an address (`user:password@host`, with a scheme or without, whatever is in the
 * password), nor one where the name of a file should be.
 */
function harmless(text: string, file: boolean): boolean {
  if (file && !/[./]/.test(text)) return false;
  return text.length <= longest && !/-----BEGIN|\n/.test(text) && !/:.*@/.test(text);
}

/** @param table a configuration as TOML reads it, good or not */
export function redactTable(table: unknown, shown: Shown): unknown {
  return show(shown, table, "", 0);
}

/** Tables as `km.main.port` → value; arrays of tables by their index, lists as JSON. */
export function flatten(table: unknown): Map<string, string> {
  const flat = new Map<string, string>();
  const walk = (value: unknown, path: string) => {
    const list = Array.isArray(value);
    if (list && !value.some((one) => typeof one === "object" && one !== null)) {
      flat.set(path, JSON.stringify(value));
    } else if (list) {
      for (const [i, one] of value.entries()) walk(one, `${path}[${i}]`);
    } else if (typeof value === "object" && value !== null) {
      for (const [name, inner] of Object.entries(value)) {
        walk(inner, path === "" ? name : `${path}.${name}`);
      }
    } else {
      flat.set(path, JSON.stringify(value));
    }
  };
  walk(table, "");
  return flat;
}
