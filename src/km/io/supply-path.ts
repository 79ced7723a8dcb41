/** Paths of Key supply over HTTPS (Annex B.1), by a template such as `/api/v1/keys/{matching_qkd_module_ID}/store_key`. */

/** Characters of a part of a path, percent-encoded. */
const longestPart = 1_024;

/**
 * @param template with members of the message in braces
 * @returns tells what a request's target says of them; undefined if it is another path
 */
export function pathPattern(
  template: string,
): (target: string) => ReadonlyMap<string, string> | undefined {
  const names: string[] = [];
  const pattern = template
    .split(/\{(\w+)\}/)
    .map((part, i) => {
      if (i % 2 === 0) return part.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&");
      names.push(part);
      return `([^/?#]{1,${longestPart}})`;
    })
    .join("");
  const path = new RegExp(`^${pattern}$`);
  return (target) => {
    const found = path.exec(target.replace(/\?.*$/s, ""));
    if (found === null) return undefined;
    try {
      return new Map(names.map((name, i) => [name, decodeURIComponent(found[i + 1] as string)]));
    } catch {
      return undefined;
    }
  };
}
