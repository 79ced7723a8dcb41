/** Links of the documents to files and headings of the project. */
import { existsSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import test from "ava";
import { documents, isDocument, root } from "../../documents.ts";

/** Text without samples, in which brackets are no links. */
function prose(file: string): string {
  return readFileSync(join(root, file), "utf8").replaceAll(/^```[\s\S]*?^```/gm, "");
}

/** As GitHub names headings. */
function anchors(file: string): Set<string> {
  const headings = [...prose(file).matchAll(/^#+ (.*)$/gm)].map(([, heading = ""]) =>
    heading
      .replaceAll(/\[([^\]]*)\]\([^)]*\)/g, "$1")
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}_\- ]/gu, "")
      .replaceAll(" ", "-"),
  );
  return new Set(headings);
}

test("what documents link to is there, with the heading", (t) => {
  const broken: string[] = [];
  let links = 0;
  for (const file of documents()) {
    for (const [, target = ""] of prose(file).matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^[a-z]+:/.test(target)) continue;
      links++;
      const [path = "", anchor] = target.split("#");
      const to = path === "" ? file : normalize(join(dirname(file), path));
      const isThere = existsSync(join(root, to));
      const hasHeading =
        anchor === undefined || !isDocument(to) || (isThere && anchors(to).has(anchor));
      if (!isThere || !hasHeading) broken.push(`${file}: ${target}`);
    }
  }
  t.deepEqual(broken, []);
  t.true(links > 300, `${links} links`);
});
