/** What a rotation needs of the world. */
import type { Answer, Message } from "./messages.ts";

/** A tunnel's pre-shared key. */
export interface TunnelKey {
  /** UUID of the KSA-key. */
  readonly id: string;
  readonly bytes: Buffer;
}

/** Where this end keeps its keys: the one in use, and the one that comes after it. Its methods throw Fault `state.io`. */
export interface KeyPlace {
  readonly current: TunnelKey | undefined;
  readonly next: TunnelKey | undefined;
  /** Keeps it beside the one in use; one that was kept before is dropped. The bytes are the place's from now on. */
  keepNext(key: TunnelKey): Promise<void>;
  dropNext(): Promise<void>;
  /** The next one is the current one: both at once, or neither. */
  promote(): Promise<void>;
}

/** The KM of this end. */
export interface KeySource {
  /** A new key. @throws Fault `psk.km` */
  newKey(): Promise<TunnelKey>;
  /** The same key at the other end. @throws Fault `psk.km` */
  keyOf(id: string): Promise<TunnelKey>;
}

/** The tunnel's program at this end. */
export interface Tunnel {
  /** To be given the key that it has costs it nothing: so is one that has lost it, unseen. */
  readonly isRepeatable: boolean;
  /** @param bytes are not kept @throws Fault `psk.install`, `state.io` */
  install(bytes: Uint8Array): Promise<void>;
  /** Both ends have the same key. @throws Fault `psk.install` */
  agreed(): Promise<void>;
}

/** The master's way to the slave, for one round. */
export interface PeerLine {
  /** @throws Fault `psk.peer` */
  ask(message: Message): Promise<Answer>;
  close(): void;
}
