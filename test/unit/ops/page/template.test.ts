import test from "ava";
import { controllerPage } from "../../../../src/controller/page/program.ts";
import { kmPage } from "../../../../src/km/page/program.ts";
import { nodePage } from "../../../../src/node/page/program.ts";
import { loadAssets } from "../../../../src/ops/page/assets.ts";
import { composed } from "../../../../src/ops/page/template.ts";

const words = { title: "A program", called: "the $& program", command: "qkd-x" };

test("a page is one frame, a program's own part in it, and its words", (t) => {
  const parts: Record<string, string> = {
    main: "<p>\n  <!-- include b -->\n</p>\n",
    b: "CALLED\n\n",
    gone: "",
  };
  const made = composed(
    "<main>\n  <!-- include gone -->\n  <!-- include main -->\n</main>PROGRAM COMMAND\n",
    (name) => parts[name] ?? "",
    words,
  );
  t.is(made, "<main>\n  <p>\n    the $& program\n\n  </p>\n</main>A program qkd-x\n");
  t.throws(() => composed("<!-- include a -->\n", () => "<!-- include a -->\n", words));
});

for (const program of [nodePage, kmPage, controllerPage]) {
  test(`the page of ${program.command} is whole: every part, word and file of it is there`, (t) => {
    const assets = loadAssets(program);
    const text = String(assets.get("/")?.body);
    t.notRegex(text, /<!-- include|PROGRAM|CALLED|COMMAND/);
    t.true(text.includes(`<title>${program.title}</title>`));
    for (const [, path = ""] of text.matchAll(/(?:href|src)="(\/[^"]*)"/g))
      t.true(assets.has(path), path);
    for (const [path, { body }] of assets) {
      if (!path.endsWith(".js") || path === "/uplot.js") continue;
      for (const [, name = ""] of String(body).matchAll(/from "\.(\/[^"]+)"/g))
        t.true(assets.has(name), `${path}: ${name}`);
    }
    const ids = [...text.matchAll(/ id="([^"]+)"/g)].map(([, id]) => id);
    t.is(new Set(ids).size, ids.length);
  });
}
