/** What pairs want of the network, and what they get. */

export interface ShareDemand {
  readonly from: number;
  readonly to: number;
  readonly weight: number;
  /** bit/s */
  readonly guaranteed: number;
  readonly priority: number;
  /** bit/s at the most. */
  readonly most: number;
  /** Routes that it has, as numbers of nodes, both ends included. */
  readonly routes: readonly (readonly number[])[];
  /** Others may be found for it. */
  readonly isFree: boolean;
  /** Links that it may use; absent: all. */
  readonly mayUse?: ((link: number) => boolean) | undefined;
}

export interface Share {
  readonly rate: number;
  /** The routes, those that were given first, with the rate on each; 0: not used. */
  readonly routes: readonly { readonly route: readonly number[]; readonly rate: number }[];
}
