import type { Message } from "../differ.ts";
import type { Snapshot } from "../snapshot.ts";

/** What is known of the network, put together from messages. */
export type State = Snapshot;
export type { Message };
export type Node = Snapshot["nodes"][number];
export type Link = Snapshot["links"][number];
export type Pair = Snapshot["pairs"][number];
export type Alarm = Node["alarms"][number];

/** What is chosen: a node, a link, or a site. */
export interface Choice {
  readonly kind: "node" | "link" | "site";
  readonly id: string;
}

export interface Filter {
  /** In lower case; empty: all. */
  readonly search: string;
  /** Empty: all; `alarm`: with any; else one of X.733 and those above it. */
  readonly severity: string;
  /** Empty: all. */
  readonly site: string;
}

/** A node, or a site that is closed. Places are 0 to 1. */
export interface Symbol {
  readonly key: string;
  readonly kind: "node" | "site";
  readonly id: string;
  readonly name: string;
  readonly x: number;
  readonly y: number;
  readonly nodes: readonly Node[];
  readonly site: string;
  /** The worst alarm, of links inside a closed site, too. */
  readonly severity: string;
  readonly alarms: number;
  readonly attached: number;
  readonly fits: boolean;
}

/** A link, or all links between two symbols. */
export interface Edge {
  readonly key: string;
  readonly from: Symbol;
  readonly to: Symbol;
  readonly links: readonly Link[];
  /** The worst of its links. */
  readonly state: Link["state"];
  readonly severity: string;
  readonly alarms: number;
  readonly fits: boolean;
  /** On the chosen pair's route; `other`: on another route of it. */
  readonly route: "" | "used" | "other";
}

export interface Scene {
  readonly symbols: readonly Symbol[];
  readonly edges: readonly Edge[];
  /** Open sites of several nodes. */
  readonly sites: readonly { readonly name: string; readonly symbols: readonly Symbol[] }[];
}
