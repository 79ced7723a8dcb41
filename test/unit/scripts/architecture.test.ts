/** The picture of the house has each floor and each room that there is. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import test from "ava";
import { floors } from "../../../scripts/floors.ts";

const root = fileURLToPath(new URL("../../..", import.meta.url));
const [, picture = ""] = readFileSync(join(root, "docs/architecture.md"), "utf8").split("```");

/** What stands in the picture from a floor's name to the next one's. */
function drawn(floor: string): string {
  const [, below = ""] = picture.split(` ${floor}`);
  return below.split(/\n src\//)[0] ?? "";
}

test("each floor is in the picture", (t) => {
  for (const { folder } of floors.filter((one) => one.folder !== "drivers/etsi014/")) {
    t.true(picture.includes(` ${folder} `), folder);
  }
});

test("each room is on its floor", (t) => {
  for (const { folder } of floors.filter((one) => one.folder.startsWith("src/"))) {
    const rooms = readdirSync(join(root, folder), { withFileTypes: true });
    for (const { name } of rooms.filter((one) => one.isDirectory())) {
      t.regex(drawn(folder), new RegExp(`(?<![\\w-])${name}(?![\\w-])`), `${folder}${name}`);
    }
  }
});
