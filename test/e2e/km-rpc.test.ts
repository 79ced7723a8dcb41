/** A controller that is not ours and keeps no connection: Python's grpcio calls the RPCs of real key managers (Q.4164 Appendix II). */
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { createAuthority } from "../emulator/certificates.ts";
import { eventually } from "../eventually.ts";
import { testWith } from "../needs.ts";
import { grpcio, pythonWithGrpc } from "../peer-ck/python.ts";
import { freePort } from "../rig/free-port.ts";
import { KmNet } from "../rig/km-net.ts";
import { deadline } from "../rig/with-rig.ts";

const path = (file: string) => fileURLToPath(new URL(file, import.meta.url));

interface Answer {
  readonly status?: string;
  readonly message?: {
    readonly key_id?: readonly string[];
    readonly result_code?: number;
    readonly error_message?: string;
    readonly keyrelayrequest_id?: string;
  };
}

testWith(
  grpcio,
  "grpcio orders: keys are reserved, relayed and allocated by RPCs alone",
  async (t) => {
    const folder = await mkdtemp(`${tmpdir()}/qkd-rpc-`);
    t.teardown(() => rm(folder, { recursive: true }));
    const descriptors = `${folder}/ck.desc`;
    const contract = path("../../contract");
    execFileSync("protoc", [
      `--proto_path=${contract}`,
      `--descriptor_set_out=${descriptors}`,
      "ck.proto",
    ]);
    const folders = new Map<string, string>();
    const authority = await createAuthority("QKDN CA");
    for (const [name, as] of [
      ["controller.other", "peer"],
      ["stranger.other", "stranger"],
    ] as const) {
      const issued = await authority.issue({ commonName: name, dns: [name], usage: "client" });
      const own = await mkdtemp(`${folder}/${as}-`);
      await writeFile(`${own}/ca.crt`, authority.cert);
      await writeFile(`${own}/peer.crt`, issued.cert);
      await writeFile(`${own}/peer.key`, issued.key, { mode: 0o600 });
      folders.set(as, own);
    }
    const ports = new Map([
      ["a", await freePort()],
      ["b", await freePort()],
    ]);
    const net = await KmNet.make({
      folder,
      authority,
      kms: ["a", "b", "c"],
      fibres: [
        ["a", "b"],
        ["b", "c"],
      ],
      far: [
        {
          ends: ["a", "c"],
          table: (end) =>
            end === "a"
              ? `routing = "controller"\nscheme = "case-1"\npool = "manual"\nbatch_bits = 8192`
              : "",
        },
      ],
      relay: () => `transit = [["*", "*"]]`,
      more: (km) =>
        ports.has(km)
          ? `[ck]\nhost = "127.0.0.1"\nport = ${ports.get(km)}\nca = "ca.crt"\ncert = "${folder}/km-${km}.crt"
key = "${folder}/km-${km}.key"\ncontrollers = ["controller.other"]\n`
          : "",
    });
    t.teardown(() => net.stop());
    await net.start(deadline());
    await net.feedAll(8);
    const stock = async (km: string, peer: string) => {
      const { links } = await net.km(km).status();
      return links.find((link) => link.peer === `km-${peer}`)?.matched_bits ?? 0;
    };
    await eventually(
      "both fibres have stock",
      async () => Math.min(await stock("a", "b"), await stock("b", "c")),
      {
        atLeast: 65_536,
      },
    );

    const ends = { start_km: "km-a", end_km: "km-c" };
    /** Calls one after the other. @returns their answers */
    const calls = async (who: string, ...lines: readonly object[]) => {
      const script = [
        path("../peer-ck/over_grpc.py"),
        "orders",
        descriptors,
        folders.get(who) ?? "",
        "0",
      ];
      const child = spawn(pythonWithGrpc ?? "", script, { stdio: ["pipe", "pipe", "inherit"] });
      const seen: Answer[] = [];
      createInterface(child.stdout).on("line", (line) => seen.push(JSON.parse(line)));
      const closed = once(child, "close");
      t.teardown(() => child.kill("SIGKILL"));
      child.stdin.end(lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
      await closed;
      return seen;
    };
    const of = (km: string, method: string, type: string, message: object) => ({
      ...{ method, type, message, port: ports.get(km), name: `km-${km}` },
      answer: type.replace(/Request$/, "Response"),
    });
    const reserve = of("a", "ReserveKeys", "KeyReservationRequest", {
      ...ends,
      extension: [`{"bits":8192}`, `{"next_kma_id":"km-b"}`],
    });
    const nowhere = of("a", "ReserveKeys", "KeyReservationRequest", { ...ends, end_km: "km-z" });
    const [reserved, refused] = await calls("peer", reserve, nowhere);
    t.like(refused?.message, { result_code: 1, error_message: "unknown_kma" });
    const [key = ""] = reserved?.message?.key_id ?? [];
    t.not(key, "", JSON.stringify(reserved));

    const relay = of("b", "RequestKeyRelay", "KeyRelayRequest", {
      ...ends,
      kma_id: ["km-b"],
      keyrelayrequest_id: "relay-1",
      extension: [JSON.stringify({ reserved_key_id: key })],
    });
    const allocate = of("a", "AllocateKeys", "KeyAllocationRequest", { ...ends, key_id: [key] });
    const [relayed, allocated] = await calls("peer", relay, allocate);
    t.like(relayed?.message, { keyrelayrequest_id: "relay-1" });
    t.is(relayed?.message?.result_code, undefined, "proto3 writes no zero, which is success");
    t.like(allocated?.message, { ...ends, key_id: [key] });
    await eventually(
      "both ends share it",
      async () => [await stock("a", "c"), await stock("c", "a")],
      {
        is: [8_192, 8_192],
      },
    );
    t.deepEqual(await calls("stranger", reserve), [
      { what: "ReserveKeys", status: "PERMISSION_DENIED", message: {} },
    ]);
  },
);
