/** A real Chromium without a window: Debian's, whole or headless shell, driven by Playwright. */
import {
  type BrowserContextOptions,
  type CDPSession,
  chromium,
  type Browser as Driven,
  type Page,
} from "playwright-core";
import { find } from "../find.ts";

/** Debian's package that is there, or else the smaller one. */
export const browserProgram = find("chromium") ? "chromium" : "chromium-headless-shell";

/** Something the page complained of: an exception, a violated policy, a failed request. */
export interface PageComplaint {
  readonly kind: "exception" | "console";
  readonly text: string;
}

/** A browser that does not answer by then never will, ms. */
const startsWithin = 30_000;

/** Ends with the scope that it is declared in by `await using`, and at the latest with the process. */
export class Browser implements AsyncDisposable {
  readonly #browser: Driven;

  private constructor(browser: Driven) {
    this.#browser = browser;
  }

  /** @param path of Debian's script; both need `--headless` where there is no display */
  static async start(path: string): Promise<Browser> {
    const args = ["--no-sandbox", "--disable-gpu"];
    const options = { executablePath: path, headless: true, args, timeout: startsWithin };
    return new Browser(await chromium.launch(options));
  }

  async page(options: BrowserContextOptions = {}): Promise<BrowserPage> {
    const context = await this.#browser.newContext({ ignoreHTTPSErrors: true, ...options });
    const page = await context.newPage();
    return new BrowserPage(page, await context.newCDPSession(page));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#browser.close();
  }
}

export class BrowserPage {
  readonly #page: Page;
  readonly #session: CDPSession;
  readonly complaints: PageComplaint[] = [];
  /** Addresses that the page asked for. */
  readonly requests: string[] = [];

  constructor(page: Page, session: CDPSession) {
    this.#page = page;
    this.#session = session;
    page.on("pageerror", (error) =>
      this.complaints.push({ kind: "exception", text: error.stack ?? error.message }),
    );
    page.on("console", (message) => {
      if (message.type() !== "error") return;
      const text = `${message.text()} ${message.location().url}`;
      this.complaints.push({ kind: "console", text });
    });
    page.on("request", (request) => this.requests.push(request.url()));
  }

  /** Resolves once the address has answered, not when all of it is there. */
  async open(url: string): Promise<void> {
    await this.#page.goto(url, { waitUntil: "commit" });
  }

  /** The value of an expression in the page, awaited. A function is called. */
  evaluate<T>(expression: string): Promise<T> {
    return this.#page.evaluate<T>(expression);
  }

  text(selector: string): Promise<string> {
    const found = `document.querySelector(${JSON.stringify(selector)})`;
    return this.evaluate(`${found}?.textContent.replace(/\\s+/g, " ").trim() ?? ""`);
  }

  /** Resolves with the value once it is truthy. */
  async until<T>(expression: string, signal: AbortSignal): Promise<T> {
    let trouble: unknown;
    for (;;) {
      if (signal.aborted) {
        const said = this.complaints.map(({ text }) => text).join("; ");
        throw new Error(`too late: ${expression}; ${trouble ?? ""} ${said}`);
      }
      // A page that is being loaded has nothing to evaluate in.
      const value = await this.evaluate<T>(expression).catch((error) => {
        trouble = error;
      });
      if (value) return value;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  /** Resolves once it complained of such a thing. */
  async complained(fits: (one: PageComplaint) => boolean, signal: AbortSignal): Promise<void> {
    while (!this.complaints.some(fits)) {
      if (signal.aborted) throw new Error(`too late: ${JSON.stringify(this.complaints)}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  /** A click where the element is, by the mouse. */
  async click(selector: string): Promise<void> {
    await this.#page.locator(selector).first().click();
  }

  async press(key: string): Promise<void> {
    await this.#page.keyboard.press(key);
  }

  async type(text: string): Promise<void> {
    await this.#page.keyboard.insertText(text);
  }

  /** @param mobile as a phone has it; Playwright can say so of whole contexts only */
  async shape(width: number, height: number, mobile = false): Promise<void> {
    const metrics = { width, height, deviceScaleFactor: 1, mobile };
    await this.#session.send("Emulation.setDeviceMetricsOverride", metrics);
  }

  async scheme(value: "dark" | "light"): Promise<void> {
    await this.#page.emulateMedia({ colorScheme: value });
  }

  async screenshot(file: string): Promise<void> {
    await this.#page.screenshot({ path: file });
  }
}
