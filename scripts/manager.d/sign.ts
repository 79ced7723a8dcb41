/** The manager's side of signed commands: key pairs and JWS by Ed25519. */
import { generateKeyPairSync, type KeyObject, randomUUID, sign } from "node:crypto";

export interface SigningKey {
  /** As the node's configuration names it. */
  readonly id: string;
  readonly key: KeyObject;
}

export interface Draft {
  readonly command: string;
  /** Whom it is for: the ID of one of the three. */
  readonly node?: string;
  readonly km?: string;
  readonly controller?: string;
  readonly args?: Readonly<Record<string, unknown>>;
  /** The boot counter it is meant for. */
  readonly boot?: number;
  /** The start that it is meant for, as its birth names it. */
  readonly incarnation?: string;
  readonly id?: string;
  /** Must grow with each command of the key; default: the time in ms. */
  readonly counter?: number;
  /** ms since 1970 UTC */
  readonly issued: number;
  /** How long it may be carried out, ms. */
  readonly lifeMs?: number;
}

const standardLife = 60_000;

/** A new pair; the public half as the configuration takes it. */
export function newKeyPair(): { readonly key: KeyObject; readonly publicKey: string } {
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  return { key: privateKey, publicKey: publicKey.export({ format: "jwk" }).x as string };
}

/** What is signed. */
export function request(draft: Draft) {
  const { command, node, km, controller, args = {}, boot, incarnation } = draft;
  const { issued, lifeMs = standardLife } = draft;
  return {
    id: draft.id ?? randomUUID(),
    command,
    ...(node !== undefined && { node }),
    ...(km !== undefined && { km }),
    ...(controller !== undefined && { controller }),
    counter: draft.counter ?? issued,
    issued: new Date(issued).toISOString(),
    expires: new Date(issued + lifeMs).toISOString(),
    ...(boot !== undefined && { boot }),
    ...(incarnation !== undefined && { incarnation }),
    args,
  };
}

/** JWS in compact serialization. */
export function signJws(payload: object, { id, key }: SigningKey): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const signed = `${part({ alg: "EdDSA", kid: id })}.${part(payload)}`;
  return `${signed}.${sign(null, Buffer.from(signed), key).toString("base64url")}`;
}

/** A signed command, ready to be published. */
export function signCommand(draft: Draft, key: SigningKey): string {
  return signJws(request(draft), key);
}
