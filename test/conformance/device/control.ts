/** A module on a bench, told what to do by a program of its vendor's: a specimen for the suite. */
import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { systemClock } from "../../../src/base/clock.ts";
import { silentLog } from "../../../src/base/log.ts";
import type { BlockFacts } from "../../../src/port/key.ts";
import type { DriverContext, ModuleDriver } from "../../../src/port/module.ts";
import { malformationsBy } from "../peer.ts";
import { Broken } from "../run.ts";
import type { Lack, Made, Specimen } from "../specimen.ts";

/** What a program that does not say what it can do is taken for: it does everything. */
const everything = ["distil", "held", "unplug", "plug", "restart", "identity", "frame", "raw"];
const answerMs = 30_000;

/** The program: one command a line, each answered by a line `ok …` or `error …`. */
export class ControlProgram {
  readonly #child: ChildProcess;
  readonly #answers: ((line: string) => void)[] = [];
  readonly #gone: Promise<never>;
  #early: string[] = [];

  /** @param command for `sh` */
  constructor(command: string) {
    this.#child = spawn("sh", ["-c", `exec ${command}`], { stdio: ["pipe", "pipe", "inherit"] });
    this.#child.stdin?.on("error", () => {});
    this.#gone = new Promise((_, reject) => {
      const over = () => reject(new Broken("the control program has ended"));
      this.#child.once("exit", over);
      this.#child.once("error", over);
    });
    this.#gone.catch(() => {});
    createInterface({ input: this.#child.stdout as NodeJS.ReadableStream }).on("line", (line) => {
      const answer = this.#answers.shift();
      if (answer === undefined) this.#early.push(line);
      else answer(line);
    });
  }

  /** Waits for the line by which it says that it is ready. */
  async ready(): Promise<void> {
    const line = this.#early.shift() ?? (await this.#line());
    if (!line.startsWith("ok")) throw new Broken(`the control program says: ${line.slice(0, 60)}`);
  }

  /** @returns what follows `ok` @throws Broken if it refuses, ends, or says nothing */
  async tell(line: string): Promise<string> {
    const answer = this.#line();
    this.#child.stdin?.write(`${line}\n`);
    const text = await answer;
    if (text === "ok" || text.startsWith("ok ")) return text.slice(3);
    // Its own words: what it was told may have been key.
    const [word = ""] = line.split(" ");
    throw new Broken(`the control program, told ${word}: ${text.slice(0, 60)}`);
  }

  close(): void {
    this.#child.stdin?.end();
    this.#child.kill();
  }

  #line(): Promise<string> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      const what = `the control program does not answer within ${answerMs / 1_000} s`;
      timer = setTimeout(() => reject(new Broken(what)), answerMs);
    });
    const line = new Promise<string>((resolve) => this.#answers.push(resolve));
    return Promise.race([line, late, this.#gone]).finally(() => clearTimeout(timer));
  }
}

/** A block as the program names it: `EPOCH/NUMBER`. */
function reference(name: string | undefined): BlockFacts["ref"] {
  const [, epoch, number] = /^([0-9a-f]{16})\/(\d+)$/.exec(name ?? "") ?? [];
  if (epoch === undefined) throw new Broken("the control program: a block is EPOCH/NUMBER");
  return { epoch, number: Number(number) };
}

function made(text: string): Made {
  const [name, bits, hex = ""] = text.trim().split(/ +/);
  const facts = { ref: reference(name), bits: Number(bits) };
  const bytes = Buffer.from(hex, "hex");
  if (!Number.isSafeInteger(facts.bits) || bytes.length !== Math.ceil(facts.bits / 8)) {
    throw new Broken("the control program: distil is answered by ok EPOCH/NUMBER BITS KEY");
  }
  return { facts, bytes };
}

/** What can be done to it, and what not. */
export interface Bench {
  readonly lacks: readonly Lack[];
  /** A module without a block, for one case. */
  open(): Promise<Specimen>;
  close(): void;
}

/**
 * @param command starts the program
 * @param driver makes the driver of the device
 */
export async function openBench(
  command: string,
  driver: (context: DriverContext) => ModuleDriver,
): Promise<Bench> {
  const program = new ControlProgram(command);
  await program.ready();
  const can = await program.tell("can").then(
    (text) => text.split(/ +/).filter((word) => word !== ""),
    () => everything,
  );
  const lacks: Lack[] = [];
  if (!can.includes("unplug") || !can.includes("plug")) lacks.push("unplug");
  if (!can.includes("restart")) lacks.push("restart");
  if (!can.includes("identity")) lacks.push("identity");
  if (!can.includes("frame") || !can.includes("raw")) lacks.push("malformations");
  if (!can.includes("distil") || !can.includes("held")) {
    program.close();
    throw new Broken("the control program must know distil and held");
  }
  let name: string | undefined;
  return {
    lacks,
    async open() {
      await leaveNothing(program, driver);
      return {
        driver,
        distil: async (bits) => made(await program.tell(`distil ${bits}`)),
        held: async () => (await program.tell("held")).split(/ +/).filter((one) => one !== ""),
        unplug: async () => void (await program.tell("unplug")),
        plug: async () => void (await program.tell("plug")),
        restart: async () => void (await program.tell("restart")),
        async identity(id) {
          name ??= await moduleId(driver);
          await program.tell(`identity ${id}`);
        },
        malformations: malformationsBy((line) => program.tell(line)),
        async close() {
          if (!lacks.includes("unplug")) await program.tell("plug");
          if (name !== undefined) await program.tell(`identity ${name}`);
          name = undefined;
        },
      };
    },
    close: () => program.close(),
  };
}

const quiet = {
  block: (block: { wipe(): void }) => block.wipe(),
  damaged: () => {},
  released: () => {},
  telemetry: () => {},
  absent: () => {},
  event: () => {},
};

async function moduleId(driver: (context: DriverContext) => ModuleDriver): Promise<string> {
  const session = await connect(driver, quiet);
  await session.close();
  return session.identity.moduleId;
}

/** Releases what the case before left in the module. */
async function leaveNothing(
  program: ControlProgram,
  driver: (context: DriverContext) => ModuleDriver,
): Promise<void> {
  const held = async () => (await program.tell("held")).split(/ +/).filter((one) => one !== "");
  const left = await held();
  if (left.length === 0) return;
  let gone = 0;
  const session = await connect(driver, {
    ...quiet,
    released: (refs) => {
      gone += refs.length;
    },
  });
  session.release(left.map(reference));
  for (let i = 0; gone < left.length && i < 5_000; i++) {
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  await session.close();
  if ((await held()).length > 0) throw new Broken("the module keeps blocks that were released");
}

function connect(
  driver: (context: DriverContext) => ModuleDriver,
  sink: Parameters<ModuleDriver["connect"]>[0],
) {
  return driver(standardContext()).connect(sink, new AbortController().signal);
}

export function standardContext(): DriverContext {
  return { clock: systemClock, log: silentLog };
}
