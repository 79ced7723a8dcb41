/** The browser that the page's tests look through: it sees what goes wrong, and none is left behind. */
import { createServer } from "node:http";
import { testWith } from "../needs.ts";
import { patience } from "../patience.ts";
import { Browser, type BrowserPage, browserProgram } from "../rig/browser.ts";

const deadline = () => patience(30_000);
const html = `<p>text</p><script src="/gone.js"></script><script>document.title = "blocked"</script>`;

testWith(
  browserProgram,
  "what a page complains of is seen, under its policy",
  async (t, program) => {
    const server = createServer((request, response) => {
      response.statusCode = request.url === "/" ? 200 : 404;
      response.setHeader("content-security-policy", "default-src 'none'; script-src 'self'");
      response.setHeader("content-type", "text/html").end(request.url === "/" ? html : "");
    });
    t.teardown(() => server.close());
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as { port: number };
    await using browser = await Browser.start(program);
    const page = await browser.page();
    const url = `http://127.0.0.1:${port}/`;
    await page.open(url);
    await page.until(`document.readyState === "complete"`, patience(30_000));
    await page.evaluate(`setTimeout(() => { throw new Error("thrown"); }); undefined`);
    // What it complains of comes beside the answers of the page.
    for (const [kind, what] of [
      ["console", /Content Security Policy/],
      ["console", /404.*gone\.js/],
      ["exception", /thrown/],
    ] as const) {
      await page.complained((one) => one.kind === kind && what.test(one.text), deadline());
    }
    t.not(await page.evaluate("document.title"), "blocked");
    t.true(page.requests.includes(`${url}gone.js`));
  },
);

testWith(browserProgram, "a test that fails closes its browser", async (t, program) => {
  let left: BrowserPage | undefined;
  const failing = async () => {
    await using browser = await Browser.start(program);
    left = await browser.page();
    throw new Error("as an assertion does");
  };
  await t.throwsAsync(failing, { message: "as an assertion does" });
  await t.throwsAsync(async () => left?.evaluate("1"), { message: /closed/ });
});
