/** A table as TOML, for people: plain values first, then tables. Pure. */

/** Control characters are shown as a dot. */
function line(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g, "·");
}

function key(name: string): string {
  return /^[\w-]+$/.test(name) ? name : JSON.stringify(name);
}

const isTable = (value: unknown): value is object =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const isTables = (value: unknown): value is object[] =>
  Array.isArray(value) && value.length > 0 && value.every(isTable);

/** @param table of texts, numbers, booleans, lists and tables, as TOML reads them */
export function tomlLines(table: unknown, path = ""): string[] {
  if (!isTable(table)) return [];
  const entries = Object.entries(table);
  const name = (one: string) => (path === "" ? key(one) : `${path}.${key(one)}`);
  const plain = entries.filter(([, value]) => !isTable(value) && !isTables(value));
  return [
    ...plain.map(([one, value]) => line(`${key(one)} = ${JSON.stringify(value)}`)),
    ...entries.flatMap(([one, value]) => {
      if (!isTable(value)) return [];
      const inner = tomlLines(value, name(one));
      // A table that holds only tables needs no line of its own.
      return inner[0] === "" ? inner : ["", line(`[${name(one)}]`), ...inner];
    }),
    ...entries.flatMap(([one, value]) =>
      isTables(value)
        ? value.flatMap((each) => ["", line(`[[${name(one)}]]`), ...tomlLines(each, name(one))])
        : [],
    ),
  ];
}
