/** A key manager and the node around it: configured, or learnt from reports and topics. */
import type { NodeStatus, Service, ToldAlarm } from "../model/status.ts";
import type { NodePolicy } from "../policy/network.ts";

export interface HeardController {
  readonly online: boolean;
  /** Monotonic, ms. */
  readonly heardAt: number;
  readonly alarms: readonly ToldAlarm[];
}

export class NetworkNode {
  readonly km: string;
  readonly policy: NodePolicy | undefined;
  service: Service;
  attached = false;
  /** Connections of it that came and went. */
  turns = 0;
  /** When its KM began, as that says; ms since 1970 UTC. */
  began: number | undefined;
  /** Only others told of it: key managers that name it as their peer, or a broker's client. */
  isHearsay: boolean;
  /** ms since 1970 UTC */
  since: number;
  /** Links that it tells of were not taken: there was no room. */
  isLeftOut = false;
  /** It was told that an application of it is another's, since it attached. */
  isContested = false;
  /** It reported since it attached. */
  hasReported = false;
  /** When one of these reports was whole first, monotonic, ms. */
  toldAllAt: number | undefined;
  /** And last. */
  wholeAt: number | undefined;
  /** As its KM reports them. */
  readonly applications = new Set<string>();
  /** Other KMs to which it relays, as it reports them. */
  readonly peers = new Set<string>();
  readonly controllers = new Map<string, HeardController>();
  site: string | undefined;

  constructor(km: string, since: number, policy?: NodePolicy) {
    this.km = km;
    this.policy = policy;
    this.isHearsay = policy === undefined;
    this.since = since;
    this.service = policy?.service ?? "in_service";
  }

  /** Its KM is connected, or not any more. @param wall ms since 1970 UTC */
  turn(attached: boolean, wall: number): void {
    this.attached = attached;
    this.turns++;
    this.hasReported = false;
    this.isContested = false;
    this.toldAllAt = undefined;
    this.wholeAt = undefined;
    this.since = wall;
  }

  /** It serves this application. */
  serves(application: string): boolean {
    return (
      this.applications.has(application) ||
      this.policy?.applications?.includes(application) === true
    );
  }

  /** Applications that its KM reports, and the configuration does not say that it serves. */
  reportedAlone(): string[] {
    const configured = new Set(this.policy?.applications);
    return [...this.applications].filter((id) => !configured.has(id));
  }

  /** @param now monotonic, ms */
  status(now: number): NodeStatus {
    const { policy } = this;
    const applications = new Set([...(policy?.applications ?? []), ...this.applications]);
    return {
      km: this.km,
      name: policy?.name ?? this.km,
      site: policy?.site ?? this.site ?? "",
      ...(policy?.place !== undefined && { place: policy.place }),
      service: this.service,
      origin: policy === undefined ? "learnt" : "configured",
      attached: this.attached,
      since: new Date(this.since).toISOString(),
      applications: [...applications].sort(),
      controllers: [...this.controllers].map(([node, { online, heardAt }]) => ({
        node,
        online,
        age_s: Math.floor((now - heardAt) / 1_000),
      })),
      alarms: [...this.controllers.values()].flatMap(({ alarms }) => alarms),
    };
  }
}
