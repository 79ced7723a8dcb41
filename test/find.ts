/** Where programs are that are not part of the project. */
import { accessSync, constants } from "node:fs";
import { delimiter, isAbsolute, join } from "node:path";

/** npm puts programs of packages first, and one of them is called like nftables' own. */
const searched = (process.env.PATH ?? "")
  .split(delimiter)
  .filter((folder) => !folder.endsWith(join("node_modules", ".bin")));
/** Debian puts daemons where a user's PATH does not reach. */
const folders = [...searched, "/usr/sbin", "/sbin"];

/** Where a program is, by its name or its path; undefined if it is not installed. */
export function find(program: string): string | undefined {
  const places = isAbsolute(program) ? [program] : folders.map((folder) => join(folder, program));
  return places.find((path) => {
    try {
      accessSync(path, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}
