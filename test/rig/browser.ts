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

/** A browser or a page that does not answer by then never will, however busy the machine is, ms. */
const answersWithin = 120_000;

/** Ends with the scope that it is declared in by `await using`, and at the latest with the process. */
export class Browser implements AsyncDisposable {
  readonly #browser: Driven;

  private constructor(browser: Driven) {
    this.#browser = browser;
  }

  /** @param path of Debian's script; both need `--headless` where there is no display */
  static async start(path: string): Promise<Browser> {
    const args = ["--no-sandbox", "--disable-gpu"];
    const options = { executablePath: path, headless: true, args, timeout: answersWithin };
    return new Browser(await chromium.launch(options));
  }

  async page(options: BrowserContextOptions = {}): Promise<BrowserPage> {
    const context = await this.#browser.newContext({ ignoreHTTPSErrors: true, ...options });
    context.setDefaultTimeout(answersWithin);
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

  /** The left button is held from the middle of an element to there and let go, px. */
  async drag(selector: string, dx: number, dy: number): Promise<void> {
    const { x, y } = await this.#middle(selector);
    const { mouse } = this.#page;
    await mouse.move(x, y);
    await mouse.down();
    await mouse.move(x + dx / 2, y + dy / 2);
    await mouse.move(x + dx, y + dy);
    await mouse.up();
  }

  /** The wheel, over the middle of an element. @param dy px; up is less than 0 */
  async wheel(selector: string, dy: number): Promise<void> {
    const { x, y } = await this.#middle(selector);
    await this.#page.mouse.move(x, y);
    await this.#page.mouse.wheel(0, dy);
  }

  /** Two fingers move apart, or together, about the middle of an element. @param apart px, before and after */
  async pinch(selector: string, apart: readonly [number, number]): Promise<void> {
    const { x, y } = await this.#middle(selector);
    const touch = (type: "touchStart" | "touchMove" | "touchEnd", distances: readonly number[]) =>
      this.#session.send("Input.dispatchTouchEvent", {
        type,
        touchPoints: distances.map((d, id) => ({ x: x + d / 2, y, id })),
      });
    const [from, to] = apart;
    await touch("touchStart", [-from, from]);
    for (const part of [0.5, 1]) {
      const d = from + (to - from) * part;
      await touch("touchMove", [-d, d]);
    }
    await touch("touchEnd", []);
  }

  async #middle(selector: string): Promise<{ readonly x: number; readonly y: number }> {
    const box = await this.#page.locator(selector).first().boundingBox();
    if (box === null) throw new Error(`not to be seen: ${selector}`);
    return { x: box.x + box.width / 2, y: box.y + box.height / 2 };
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

  /** As it is on paper, or on a screen again. */
  async medium(media: "print" | "screen"): Promise<void> {
    await this.#page.emulateMedia({ media });
  }

  async scheme(value: "dark" | "light"): Promise<void> {
    await this.#page.emulateMedia({ colorScheme: value });
  }

  async screenshot(file: string): Promise<void> {
    await this.#page.screenshot({ path: file });
  }

  /** With its cookies and all that is of it alone. */
  async close(): Promise<void> {
    await this.#page.context().close();
  }
}
