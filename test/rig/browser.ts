/** A real Chromium without a window, driven over the DevTools protocol (by Node's own WebSocket). */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

interface Message {
  readonly id?: number;
  readonly sessionId?: string;
  readonly method?: string;
  readonly params?: Record<string, unknown>;
  readonly result?: Record<string, unknown>;
  readonly error?: { readonly message: string };
}

type Params = Readonly<Record<string, unknown>>;

/** Something the page complained of: an exception, a violated policy, a failed request. */
export interface PageComplaint {
  readonly kind: "exception" | "console" | "log";
  readonly text: string;
}

/** A browser that has not said where it listens by then never will, ms. */
const startsWithin = 30_000;

export class Browser {
  readonly #child: ChildProcess;
  readonly #profile: string;
  readonly #socket: WebSocket;
  readonly #pending = new Map<number, (message: Message) => void>();
  readonly #pages = new Map<string, (message: Message) => void>();
  #last = 0;

  private constructor(child: ChildProcess, profile: string, socket: WebSocket) {
    this.#child = child;
    this.#profile = profile;
    this.#socket = socket;
    socket.addEventListener("message", ({ data }) => {
      const message = JSON.parse(String(data)) as Message;
      if (message.id !== undefined) this.#pending.get(message.id)?.(message);
      else this.#pages.get(message.sessionId ?? "")?.(message);
    });
  }

  static async start(path: string): Promise<Browser> {
    const profile = mkdtempSync(join(tmpdir(), "qkd-browser-"));
    // The shell without a window takes `--headless` too; the whole browser needs it where there is no display.
    const options = ["--headless", "--no-sandbox", "--disable-gpu", "--ignore-certificate-errors"];
    const child = spawn(
      path,
      [...options, "--remote-debugging-port=0", `--user-data-dir=${profile}`, "about:blank"],
      // A group of its own: Debian's is a script, and a browser is many processes.
      { stdio: ["ignore", "ignore", "pipe"], detached: true },
    );
    let said = "";
    let late: NodeJS.Timeout | undefined;
    const url = await new Promise<string>((resolve, reject) => {
      child.stderr?.on("data", (chunk) => {
        said += chunk;
        const found = /DevTools listening on (ws:\S+)/.exec(said);
        if (found?.[1] !== undefined) resolve(found[1]);
      });
      child.once("exit", () => reject(new Error(`the browser ended: ${said}`)));
      late = setTimeout(() => {
        process.kill(-(child.pid as number), "SIGKILL");
        reject(new Error(`the browser does not start: ${said}`));
      }, startsWithin);
    }).finally(() => clearTimeout(late));
    const socket = new WebSocket(url);
    await once(socket, "open");
    return new Browser(child, profile, socket);
  }

  async page(): Promise<BrowserPage> {
    const { targetId } = await this.send("Target.createTarget", { url: "about:blank" });
    const { sessionId } = await this.send("Target.attachToTarget", { targetId, flatten: true });
    const session = sessionId as string;
    const page = new BrowserPage((method, params) => this.send(method, params, session));
    this.#pages.set(session, (message) => page.heard(message.method ?? "", message.params ?? {}));
    for (const domain of ["Page", "Runtime", "Log", "Network"]) await page.send(`${domain}.enable`);
    return page;
  }

  send(method: string, params: Params = {}, sessionId?: string): Promise<Record<string, unknown>> {
    const id = ++this.#last;
    return new Promise((resolve, reject) => {
      this.#pending.set(id, ({ result = {}, error }) => {
        this.#pending.delete(id);
        if (error === undefined) resolve(result);
        else reject(new Error(`${method}: ${error.message}`));
      });
      this.#socket.send(JSON.stringify({ id, method, params, sessionId }));
    });
  }

  async close(): Promise<void> {
    const exited = once(this.#child, "exit");
    this.#socket.close();
    process.kill(-(this.#child.pid as number), "SIGKILL");
    await exited;
    this.#child.stderr?.destroy();
    rmSync(this.#profile, { recursive: true, force: true, maxRetries: 5 });
  }
}

export class BrowserPage {
  readonly send: (method: string, params?: Params) => Promise<Record<string, unknown>>;
  readonly complaints: PageComplaint[] = [];
  /** Addresses that the page asked for. */
  readonly requests: string[] = [];

  constructor(send: (method: string, params?: Params) => Promise<Record<string, unknown>>) {
    this.send = send;
  }

  heard(method: string, params: Record<string, unknown>): void {
    if (method === "Runtime.exceptionThrown") {
      const { exceptionDetails: details } = params as {
        exceptionDetails: { text: string; exception?: { description?: string } };
      };
      const text = details.exception?.description ?? details.text;
      this.complaints.push({ kind: "exception", text });
    } else if (method === "Runtime.consoleAPICalled" && params.type === "error") {
      this.complaints.push({ kind: "console", text: JSON.stringify(params.args) });
    } else if (method === "Log.entryAdded") {
      const { entry } = params as { entry: { level: string; text: string; url?: string } };
      if (entry.level === "error") {
        this.complaints.push({ kind: "log", text: `${entry.text} ${entry.url ?? ""}` });
      }
    } else if (method === "Network.requestWillBeSent") {
      this.requests.push((params as { request: { url: string } }).request.url);
    }
  }

  async open(url: string): Promise<void> {
    await this.send("Page.navigate", { url });
  }

  /** The value of an expression in the page, awaited. */
  async evaluate<T>(expression: string): Promise<T> {
    const { result, exceptionDetails } = (await this.send("Runtime.evaluate", {
      expression,
      awaitPromise: true,
      returnByValue: true,
    })) as { result: { value: T }; exceptionDetails?: { text: string } };
    if (exceptionDetails !== undefined) throw new Error(`${expression}: ${exceptionDetails.text}`);
    return result.value;
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

  /** A click where the element is, by the mouse. */
  async click(selector: string): Promise<void> {
    const found = `document.querySelector(${JSON.stringify(selector)})`;
    const [x, y] = await this.evaluate<[number, number]>(
      `(() => { const e = ${found}; e.scrollIntoView({ block: "center" });
        const b = e.getBoundingClientRect(); return [b.x + b.width / 2, b.y + b.height / 2]; })()`,
    );
    for (const type of ["mousePressed", "mouseReleased"]) {
      await this.send("Input.dispatchMouseEvent", { type, x, y, button: "left", clickCount: 1 });
    }
  }

  async press(key: string): Promise<void> {
    for (const type of ["keyDown", "keyUp"]) {
      const enter = key === "Enter" ? { text: "\r", windowsVirtualKeyCode: 13 } : {};
      await this.send("Input.dispatchKeyEvent", { type, key, code: key, ...enter });
    }
  }

  async type(text: string): Promise<void> {
    await this.send("Input.insertText", { text });
  }

  async shape(width: number, height: number, scale = 1, mobile = false): Promise<void> {
    const metrics = { width, height, deviceScaleFactor: scale, mobile };
    await this.send("Emulation.setDeviceMetricsOverride", metrics);
  }

  async scheme(value: "dark" | "light"): Promise<void> {
    const features = [{ name: "prefers-color-scheme", value }];
    await this.send("Emulation.setEmulatedMedia", { features });
  }

  async screenshot(file: string, whole = false): Promise<void> {
    const options = { format: "png", captureBeyondViewport: whole };
    const { data } = await this.send("Page.captureScreenshot", options);
    writeFileSync(file, Buffer.from(data as string, "base64"));
  }
}
