/** What the page shows, as it is sent to it. Pure; JSON, times in ms since 1970 UTC. */
import type {
  ControllerStatus,
  LinkStatus,
  NodeStatus,
  PairStatus,
  ToldAlarm,
} from "../model/status.ts";

/** Pairs that are sent by themselves: of a hundred nodes there are 4,950. */
const mostPairs = 200;
const mostSessions = 100;

/** When it was, so that nothing changes while nothing is heard. */
function heardAt(age_s: number, now: number): number {
  return Math.round((now - age_s * 1_000) / 1_000) * 1_000;
}

function alarmSnapshot({ since, ...alarm }: ToldAlarm) {
  return { ...alarm, since: Date.parse(since) };
}

function nodeSnapshot({ controllers, alarms, since, ...node }: NodeStatus, now: number) {
  return {
    ...node,
    since: Date.parse(since),
    controllers: controllers.map(({ age_s, ...one }) => ({ ...one, heard: heardAt(age_s, now) })),
    alarms: alarms.map(alarmSnapshot),
  };
}

function linkSnapshot(link: LinkStatus, now: number) {
  const { ends, alarms, ...rest } = link;
  return {
    ...rest,
    ends: ends.map(({ age_s, ...end }) => ({ ...end, heard: heardAt(age_s, now) })),
    alarms: alarms.map(alarmSnapshot),
  };
}

export function pairSnapshot({ since, ...pair }: PairStatus) {
  return { ...pair, since: since === undefined ? undefined : Date.parse(since) };
}

/** What a person looks for first: no route though it is asked for, then what is used most. */
function interest({ route, demand, sessions, failed }: PairStatus): number {
  const wanted = sessions > 0 || demand > 0;
  return (
    (route.length === 0 && wanted ? 1e15 : 0) + (failed > 0 ? 1e12 : 0) + sessions * 1e9 + demand
  );
}

/** Those that are looked for first. */
export function foremost(pairs: readonly PairStatus[], most = mostPairs): readonly PairStatus[] {
  if (pairs.length <= most) return pairs;
  return [...pairs].sort((a, b) => interest(b) - interest(a)).slice(0, most);
}

/** @param now ms since 1970 UTC */
export function snapshot(status: ControllerStatus, now: number) {
  const { controller, version, started, role, mode, verdict } = status;
  const links = status.links.map((link) => linkSnapshot(link, now));
  const routed = status.pairs.filter(({ route }) => route.length > 0).length;
  return {
    t: now,
    controller: { id: controller, version, started: Date.parse(started), role, mode },
    condition: verdict,
    totals: { pairs: status.pairs.length, routed, sessions: status.open_sessions },
    nodes: status.nodes.map((node) => nodeSnapshot(node, now)),
    links,
    pairs: foremost(status.pairs).map(pairSnapshot),
    sessions: status.sessions
      .slice(0, mostSessions)
      .map(({ since, ...session }) => ({ ...session, since: Date.parse(since) })),
    changes: status.changes.map(({ time, ...change }) => ({ ...change, at: Date.parse(time) })),
    alarms: status.alarms.map(({ since, alarm, ...rest }) => {
      const [name = alarm, ...object] = alarm.split(".");
      const on = object.length === 0 ? controller : object.join(".");
      return { ...rest, alarm, name, object: on, raised: since, flapping: false, latched: false };
    }),
  };
}

export type Snapshot = ReturnType<typeof snapshot>;
