/** `scripts/site`: signs the configuration of a site, for its nodes to take from a stick. */
import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
} from "node:crypto";
import { existsSync, readdirSync } from "node:fs";
import { basename, join } from "node:path";
import { parseArgs } from "node:util";
import { errorCode } from "../../src/base/errors.ts";
import { urlProblem } from "../../src/ops/renewal/config.ts";
import { readFolder, SiteError } from "../../src/ops/site/folder.ts";
import {
  isSiteFile,
  keysFile,
  makeManifest,
  manifestFile,
  readKeys,
  signatureFile,
  signManifest,
  verifySite,
} from "../../src/ops/site/manifest.ts";
import { parsed, runTool, UsageError } from "../tool.ts";
import { certifyRequest, certifyStick, makeAuthority } from "./authority.ts";
import { type Place, writeDraft } from "./draft.ts";
import { placeNewFile, putFile, readNamed, stageFile } from "./put.ts";
import { Refusal } from "./refusal.ts";

const usage = `scripts/site COMMAND: configurations of a site's machines (board/site.md)

  ca FOLDER             makes an authority of the site's own, if it has none:
                        ca.key, ca.crt
    --days N            that it is good for (default 3650)
  certify STICK         signs the requests on a machine's stick: site/node.crt,
                        site/km.crt, site/controller.crt
  certify FILE.csr      signs another one, such as a broker's: FILE.crt
    --ca FOLDER         by this authority
    --name NAME         also under this name or address; may be repeated. Of a
                        stick: where others find key manager and controller
    --days N            that they are good for (default 365)
  draft STICK           writes site/node.toml and site/km.toml for a machine
                        with module, node and key manager
    --module ID --matching ID
                        its module, and the one at the other end
    --path DEVICE       where its module is attached, such as /dev/qkd/SERIAL
    --peer ID@ADDRESS   the machine at the other end: qkd-0123456789ab@192.0.2.2
    --sae ID --peer-sae ID
                        applications here and there that are to get keys
    --controller ID@ADDRESS
                        the network's controller, if it has one; for the machine
                        that it is on site/controller.toml is written, too
    --est URL           certificates renew themselves there; put who may have
                        issued the server's certificate into site/est-ca.crt
  keygen FILE           makes a signing key: FILE.key, for you alone, and
                        FILE.pub, the line for site-keys
  sign FOLDER           signs what is in FOLDER, a stick's folder "site"
    --node ID           the node that it is for, such as qkd-0123456789ab
    --key FILE.key      by this key; its ID is the file's name, or --id NAME
    --serial N          greater than the one before (default: the time, in
                        seconds)
  verify FOLDER         says whose signature it has, and for which node
    --keys FILE         by these keys, one a line, as in site-keys

In turn for a first key: ca, once; certify, draft, sign for each machine.
Exit codes: 0, 1 with a reason, 64 wrong command line, 74 the output cannot be
written.
`;

const options = {
  node: { type: "string" },
  key: { type: "string" },
  id: { type: "string" },
  serial: { type: "string" },
  keys: { type: "string" },
  ca: { type: "string" },
  name: { type: "string", multiple: true },
  days: { type: "string" },
  module: { type: "string" },
  matching: { type: "string" },
  path: { type: "string" },
  peer: { type: "string" },
  controller: { type: "string" },
  sae: { type: "string" },
  "peer-sae": { type: "string" },
  est: { type: "string" },
  help: { type: "boolean", short: "h" },
} as const;

function parse(args: string[]) {
  return parsed(() => parseArgs({ args, options, allowPositionals: true }));
}

type Values = ReturnType<typeof parse>["values"];

type Needed = "node" | "key" | "keys" | "ca" | "module" | "matching" | "path" | "peer";

function needed(values: Values, name: Needed): string {
  const value = values[name];
  if (value === undefined) throw new UsageError(`--${name} is missing`);
  return value;
}

function daysOf({ days }: Values, standard: number): number {
  if (days !== undefined && !/^[1-9]\d{0,4}$/.test(days)) {
    throw new UsageError("--days: expected a whole number");
  }
  return days === undefined ? standard : Number(days);
}

function certify(path: string, values: Values): Promise<string> {
  const ca = needed(values, "ca");
  const how = { ca, names: values.name ?? [], days: daysOf(values, 365) };
  const wrong = how.names.find((name) => !/^[\w.:-]{1,253}$/.test(name));
  if (wrong !== undefined) throw new UsageError(`--name: ${JSON.stringify(wrong)} is no name`);
  return path.endsWith(".csr") ? certifyRequest(path, how) : certifyStick(path, how);
}

function draft(stick: string, values: Values): string {
  const peer = placeOf("peer", needed(values, "peer"));
  const { controller, sae, "peer-sae": peerSae } = values;
  if ((sae === undefined) !== (peerSae === undefined)) {
    throw new UsageError("--sae and --peer-sae go together");
  }
  const wrong = values.est === undefined ? undefined : urlProblem(values.est);
  if (wrong !== undefined) throw new UsageError(`--est: ${wrong}`);
  return writeDraft(stick, {
    module: needed(values, "module"),
    matching: needed(values, "matching"),
    path: needed(values, "path"),
    peer,
    sae,
    peerSae,
    controller: controller === undefined ? undefined : placeOf("controller", controller),
    est: values.est,
  });
}

/** @throws UsageError */
function placeOf(option: string, value: string): Place {
  const [, id, host] = /^([\w-]+)@([\w.:-]+)$/.exec(value) ?? [];
  if (id === undefined || host === undefined) {
    throw new UsageError(`--${option}: expected ID@ADDRESS`);
  }
  return { id, host };
}

function keygen(file: string): string {
  const id = basename(file);
  if (!/^[\w.-]{1,64}$/.test(id)) throw new UsageError("a key's ID has letters, digits, _ . -");
  const [own, line] = [`${file}.key`, `${file}.pub`];
  if (existsSync(own) && !existsSync(line)) {
    // A run before was broken off between the two, or the line was lost: it can be had from the key.
    const text = lineOf(id, createPublicKey(signingKey(own)));
    stageFile(line, text);
    placeNewFile(line);
    return `${line}, of the ${own} that was there\n${text}`;
  }
  if (existsSync(line)) {
    const which = existsSync(own) ? own : line;
    throw new Refusal(`${which} is there already, and stays as it is: it may be in use`);
  }
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  const text = lineOf(id, publicKey);
  stageFile(line, text);
  stageFile(own, privateKey.export({ format: "pem", type: "pkcs8" }), 0o600);
  placeNewFile(own);
  placeNewFile(line);
  return `${own}, ${line}\n${text}`;
}

const lineOf = (id: string, key: KeyObject) => `${id} ${key.export({ format: "jwk" }).x}\n`;

/** @throws Refusal that names the file */
function signingKey(file: string): KeyObject {
  const pem = readNamed(file);
  let key: KeyObject;
  try {
    key = createPrivateKey(pem);
  } catch (error) {
    if (errorCode(error) === undefined) throw error;
    throw new Refusal(`${file}: no private key in PEM without a password`);
  }
  if (key.asymmetricKeyType !== "ed25519") throw new Refusal(`${file}: no Ed25519 key`);
  return key;
}

function sign(folder: string, values: Values): string {
  const [node, keyFile] = [needed(values, "node"), needed(values, "key")];
  const serial = values.serial ?? String(Math.floor(Date.now() / 1_000));
  if (!/^[1-9]\d{0,15}$/.test(serial)) throw new UsageError("--serial: expected a whole number");
  if (!/^[\w.-]{1,64}$/.test(node)) throw new UsageError("--node: expected a node's ID");
  const key = signingKey(keyFile);
  const id = values.id ?? basename(keyFile).replace(/\.key$/, "");
  const files = readFolder(folder);
  if (!files.has("node.toml")) throw new Refusal(`${folder}: there is no node.toml`);
  const brought = readKeys(files.get(keysFile)?.toString("latin1") ?? "");
  if (brought === undefined) throw new Refusal(`${folder}/${keysFile}: a line is no key`);
  const manifest = makeManifest(files, { node, serial: Number(serial), issued: Date.now() });
  putFile(join(folder, manifestFile), manifest);
  putFile(join(folder, signatureFile), signManifest(manifest, { id, key }));
  const names = [...files.keys()].filter(isSiteFile);
  const said = [`signed for ${node}, serial ${serial}, by ${id}: ${names.join(", ")}`];
  const left = leftOut(folder, files);
  if (left.length > 0) said.push(`not taken by a node, and not signed: ${left.join(", ")}`);
  if (!files.has(keysFile)) {
    said.push(`without ${keysFile} only a key in the image can sign the next one`);
  } else if (!brought.has(id)) {
    said.push(`${id} is not in ${keysFile}: the next one must be signed by another key`);
  }
  return `${said.join("\n")}\n`;
}

/** Files that a node would not take. */
function leftOut(folder: string, taken: ReadonlyMap<string, Buffer>): string[] {
  const known = [manifestFile, signatureFile, "chrony", "network"];
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((name) => !taken.has(name) && !known.includes(name))
    .sort();
}

function verify(folder: string, values: Values): string {
  const keys = readKeys(readNamed(needed(values, "keys")).toString("latin1"));
  if (keys === undefined) throw new Refusal(`${values.keys}: a line is no key`);
  const verified = verifySite(readFolder(folder), keys);
  if (typeof verified === "string") throw new Refusal(`${folder}: ${verified}`);
  const { manifest, keyId } = verified;
  const { node, serial, issued } = manifest;
  if (values.node !== undefined && values.node !== node) {
    throw new Refusal(`${folder}: it is signed for ${node}`);
  }
  return `signed for ${node}, serial ${serial}, by ${keyId}, ${issued}\n`;
}

async function main(args: string[]): Promise<string> {
  const { values, positionals } = parse(args);
  if (values.help) return usage;
  const [command, path, ...rest] = positionals;
  if (path === undefined || rest.length > 0) throw new UsageError("COMMAND and one FILE or FOLDER");
  if (command === "keygen") return keygen(path);
  if (command === "ca") return makeAuthority(path, daysOf(values, 3_650));
  if (!existsSync(path))
    throw new Refusal(`${path}: there is no such ${path.endsWith(".csr") ? "file" : "folder"}`);
  if (command === "certify") return certify(path, values);
  if (command === "draft") return draft(path, values);
  if (command === "sign") return sign(path, values);
  if (command === "verify") return verify(path, values);
  throw new UsageError(`no such command: ${command}`);
}

const isTold = (error: unknown) =>
  error instanceof Refusal || error instanceof SiteError || errorCode(error) !== undefined;

await runTool("site", main, isTold);
