/**
 * Keys that are brought (Q.4160 I.2) while key managers and the controller are killed in the middle: between question and
 * notice, with the notice in the application's hands, while it answers. The two applications are the witnesses.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import type { KmStatus } from "../../src/km/model/status.ts";
import { createAuthority } from "../emulator/certificates.ts";
import { eventually } from "../eventually.ts";
import { patience } from "../patience.ts";
import { type Random, random } from "../random.ts";
import { ApplicationClient, type HeldKey, heldKeys, type Reply } from "../rig/application.ts";
import { ControllerProcess } from "../rig/controller-process.ts";
import { KmNet } from "../rig/km-net.ts";
import type { NodeProcess } from "../rig/node-process.ts";

export interface ProactiveKills {
  /** What did not hold. */
  readonly broken: readonly string[];
  /** Kills, keys that the destination had in its hands, those that it said it has, and those that the source had. */
  readonly figures: Readonly<Record<"kills" | "handed" | "said" | "given", number>>;
}

const points = ["asked", "handed", "answered"] as const;
const perRequest = 2;
const none: Reply = { status: 0, headers: {}, body: undefined };

interface Notice {
  readonly notice_ID: string;
  readonly notice: string;
}

interface Clients {
  readonly source: ApplicationClient;
  readonly destination: ApplicationClient;
  /** One more at each KM, that the keys are not for. */
  readonly thirds: readonly ApplicationClient[];
}

/** What is known of one key. */
interface Known {
  digest: string;
  handed: boolean;
  given: boolean;
  /** `yes`: its destination was answered 204; `no`: it did not say so, or was told that it is late. */
  said: "yes" | "no" | "unknown";
}

/** @param seed draws who is killed, and when */
export async function killProactive(rounds: number, seed: number): Promise<ProactiveKills> {
  const folder = await mkdtemp(`${tmpdir()}/qkd-proactive-kills-`);
  const authority = await createAuthority("QKDN CA");
  const tables = `[node.km-a]\n[node.km-b]\n[link.ab]\nbetween = ["km-a", "km-b"]\n`;
  const controller = await ControllerProcess.make({ folder, tables, authority });
  const net = await KmNet.make({
    ...{ folder, authority, kms: ["a", "b"], fibres: [["a", "b"]], far: [] },
    saes: (km) => [`app-${km}`, `third-${km}`],
    door: "answer_timeout_s = 2\npick_up_s = 2\n",
    link: "match_within_s = 3\n",
    more: () =>
      `[controller.one]\nhost = "127.0.0.1"\nport = ${controller.port}\nserver_name = "controller.example"\n`,
  });
  const client = (end: string, which: number) => {
    const km = net.km(end);
    return new ApplicationClient(km as never, km.applications[which] as (typeof km)["application"]);
  };
  const clients = {
    ...{ source: client("a", 0), destination: client("b", 0) },
    thirds: [client("a", 1), client("b", 1)],
  };
  try {
    await Promise.all([controller.start(patience(30_000)), net.start(patience(30_000))]);
    return await new Campaign(net, controller, clients, random(seed)).run(rounds);
  } finally {
    for (const one of [clients.source, clients.destination, ...clients.thirds]) one.close();
    await Promise.all([controller.process.stop("SIGKILL"), net.stop()]);
    await rm(folder, { recursive: true });
  }
}

class Campaign {
  readonly #net: KmNet;
  readonly #controller: ControllerProcess;
  readonly #clients: Clients;
  readonly #draw: Random;
  readonly #keys = new Map<string, Known>();
  readonly #broken: string[] = [];
  #kills = 0;
  /** Keys of this process of the source's KM that were counted as delivered, and those that were given. */
  #givenByProcess = 0;

  constructor(net: KmNet, controller: ControllerProcess, clients: Clients, draw: Random) {
    this.#net = net;
    this.#controller = controller;
    this.#clients = clients;
    this.#draw = draw;
  }

  async run(rounds: number): Promise<ProactiveKills> {
    const seen = () => Promise.all(this.#net.kms.map((km) => km.status()));
    for (let round = 0; round < rounds; round++) {
      if (round % 10 === 0) await this.#net.feedAll(8);
      const session = await this.#session();
      await this.#exchange(session, points[Math.floor(this.#draw() * points.length)]);
      await this.#back();
      await this.#thirds();
    }
    // Undisturbed it works as ever.
    const before = this.#count("given");
    await this.#exchange(await this.#session(), undefined);
    if (this.#count("given") !== before + perRequest) this.#bad("no keys when all is well");
    await eventually("the books of both ends agree", seen, {
      when: agree,
      deadlineMs: 100_000,
      pauseMs: 200,
      about: () => "",
    });
    for (const { links } of await seen()) {
      if (links.some((link) => link.differing_keys > 0)) this.#bad("keys differ");
    }
    return {
      broken: this.#broken,
      figures: {
        kills: this.#kills,
        handed: this.#count("handed"),
        said: [...this.#keys.values()].filter(({ said }) => said === "yes").length,
        given: this.#count("given"),
      },
    };
  }

  #bad(what: string): void {
    if (this.#broken.length < 20) this.#broken.push(what);
  }

  #count(what: "handed" | "given"): number {
    return [...this.#keys.values()].filter((key) => key[what]).length;
  }

  #note(what: "handed" | "given", keys: readonly HeldKey[]): void {
    for (const { id, digest } of keys) {
      const known = this.#keys.get(id) ?? { digest, handed: false, given: false, said: "no" };
      this.#keys.set(id, known);
      if (known.digest !== digest) this.#bad(`${id} is not the same at both ends`);
      if (known[what]) this.#bad(`${id} was ${what} twice`);
      known[what] = true;
    }
  }

  /** A session that both ends know. */
  #session(): Promise<string> {
    const { source } = this.#clients;
    const tries: string[] = [];
    const tried = async () => {
      let isOver = false;
      const created = source
        .createSession("app-b")
        .catch(() => none)
        .finally(() => {
          isOver = true;
        });
      const heard = await this.#heard(() => isOver);
      if (heldKeys(heard).length > 0) this.#bad("keys that were not asked for");
      const { status, body } = await created;
      tries.push(`asked: ${status}`);
      if (status !== 200) return "";
      const { session_ID: session } = body as { session_ID: string };
      // The destination's KM may have forgotten it: then this ends it, and the next one is another.
      const there = (await this.#net.km("b").status()).proactive?.destination.sessions;
      if (there === 1) return session;
      tries.push(`the destination's KM has ${there}`);
      await source.ask("/api/v1/sessions/app-b", undefined, { method: "DELETE" }).catch(() => none);
      return "";
    };
    return eventually("a session", tried, {
      when: (id) => id !== "",
      pauseMs: 100,
      about: () => tries.slice(-20).join("; "),
    });
  }

  async #exchange(session: string, point: (typeof points)[number] | undefined): Promise<void> {
    const { source } = this.#clients;
    const victim = this.#victim();
    const kill = async (at: (typeof points)[number]) => {
      if (at !== point) return;
      this.#kills++;
      await victim.stop("SIGKILL");
    };
    let isOver = false;
    const asked = source
      .encKeysIn(session, "app-b", perRequest)
      .catch(() => none)
      .finally(() => {
        isOver = true;
      });
    const listening = this.#heard(() => isOver);
    await kill("asked");
    const notice = await listening;
    const keys = heldKeys(notice);
    this.#note("handed", keys);
    await kill("handed");
    const takes = point === undefined || this.#draw() < 0.8;
    if (keys.length > 0) await this.#answer(notice, keys, takes, () => kill("answered"));
    else await kill("answered");
    const given = heldKeys(await asked);
    this.#note("given", given);
    for (const { id } of given) {
      const key = this.#keys.get(id);
      if (key?.handed !== true) this.#bad(`${id} was given to the source alone`);
      if (key?.said === "no")
        this.#bad(`${id} was given to the source, and not taken by the other`);
    }
    this.#givenByProcess += given.length;
    if (victim === this.#net.km("a").process && point !== undefined) this.#givenByProcess = 0;
    else await this.#counted();
  }

  /** The next notice with keys, if there is one before the question is answered; the others are answered. */
  async #heard(isOver: () => boolean): Promise<Reply> {
    const { destination } = this.#clients;
    while (!isOver()) {
      const heard = await destination.notice(1).catch(() => none);
      if (heard.status === 0) return none;
      const { notice, notice_ID: id } = (heard.body ?? {}) as Partial<Notice>;
      if (notice === "keys") return heard;
      if (id === undefined) continue;
      await destination.answerNotice(id, { response: "success" }).catch(() => none);
    }
    return none;
  }

  async #answer(
    notice: Reply,
    keys: readonly HeldKey[],
    takes: boolean,
    during: () => Promise<void>,
  ) {
    const key_IDs = (takes ? keys : keys.slice(1)).map(({ id }) => ({ key_ID: id }));
    const { notice_ID } = notice.body as Notice;
    const answered = this.#clients.destination
      .answerNotice(notice_ID, { key_IDs })
      .catch(() => none);
    await during();
    const { status } = await answered;
    for (const { id } of keys) {
      const key = this.#keys.get(id) as Known;
      if (takes) key.said = status === 204 ? "yes" : status === 0 ? "unknown" : "no";
    }
  }

  /** What the source's KM counts as delivered its application has. */
  async #counted(): Promise<void> {
    const { proactive } = await this.#net.km("a").status();
    const counted = proactive?.source.keys ?? 0;
    if (counted !== this.#givenByProcess) {
      this.#bad(`${counted} keys count as delivered, and ${this.#givenByProcess} were given`);
    }
  }

  #victim(): NodeProcess {
    const all = [this.#controller, ...this.#net.kms].map(({ process }) => process);
    return all[Math.floor(this.#draw() * all.length)] as NodeProcess;
  }

  async #back(): Promise<void> {
    const all = [this.#controller, ...this.#net.kms].map(({ process }) => process);
    for (const one of all.filter(({ running }) => !running)) {
      one.lines.length = 0;
      one.start();
      await one.logged(/msg="running"/, patience(20_000));
    }
    const up = async () =>
      (await Promise.all(this.#net.kms.map((km) => km.status()))).every(
        ({ links, controllers = [] }) =>
          links[0]?.session === "ready" && controllers[0]?.connected === true,
      );
    await eventually("all is up", up, { is: true });
  }

  /** None that the keys are not for is given one, nor is one given again. */
  async #thirds(): Promise<void> {
    const { source, destination, thirds } = this.#clients;
    const ids = [...this.#keys.keys()].slice(-perRequest);
    if (ids.length === 0) return;
    for (const [who, other] of [
      [destination, "app-a"],
      [source, "app-b"],
      ...thirds.map((third) => [third, third.sae === "third-a" ? "app-b" : "app-a"] as const),
    ] as const) {
      const reply = await who.decKeys(other, ids).catch(() => none);
      if (heldKeys(reply).length > 0) this.#bad(`${who.sae} was given keys that were brought`);
    }
  }
}

/** Nothing is on its way, and both ends say the same of what became of all. */
function agree([a, b]: readonly KmStatus[]): boolean {
  const [one, other] = [a?.links[0], b?.links[0]];
  if (one === undefined || other === undefined) return false;
  return (
    [one, other].every((link) => link.waiting_keys === 0 && link.under_way_bits === 0) &&
    one.stock_bits === other.peer_stock_bits &&
    one.matched_bits === other.matched_bits &&
    one.taken_bits === other.taken_bits &&
    one.unfetched_bits === other.unfetched_bits
  );
}
