import test from "ava";
import {
  brokerPlace,
  brokerProblem,
  hostProblem,
  peerProblem,
} from "../../../../src/host/net/host.ts";

const good = [
  "::1",
  "192.0.2.7",
  "fe80::1%eth0",
  "km.example",
  "km.example.",
  "KM",
  "key_manager",
  "xn--km-fka.example",
  "kmü.example",
  "1.km.example",
  "localhost",
];
for (const host of good) {
  test(`${host} is a host`, (t) => t.is(peerProblem(host), undefined));
}

const bad = [
  "[::1]",
  "https://km.example",
  "mqtts://km.example",
  "km.example/",
  "km.example/path",
  "km.example:9443",
  "km example",
  " km.example",
  "km..example",
  ".km.example",
  ".",
  "-km.example",
  "km-.example",
  "*.example",
  "user@km.example",
  "km.example?x",
  "km.example#x",
  "192.0.2.777",
  "192.0.2",
  "127.1",
  "0x7f.1",
  "2130706433",
  "224.0.0.1",
  "255.255.255.255",
  "ff02::1",
  "2001:db8::g",
  "::1:::",
  `${"a".repeat(64)}.example`,
  `${"a.".repeat(130)}example`,
  "%zz",
  "km\u0000.example",
];
for (const host of bad) {
  test(`${JSON.stringify(host.slice(0, 40))} is no host`, (t) => {
    t.regex(hostProblem(host) ?? "", /^expected a name or an address/);
    t.regex(peerProblem(host) ?? "", /^expected a name or an address/);
  });
}

test("an address for listening is none to connect to", (t) => {
  for (const host of ["0.0.0.0", "::"]) {
    t.is(hostProblem(host), undefined);
    t.regex(peerProblem(host) ?? "", /for listening only/);
  }
});

test("an address of a link alone does not say on which interface", (t) => {
  for (const host of ["fe80::1", "FEBF::1"]) {
    t.is(hostProblem(host), undefined);
    t.regex(peerProblem(host) ?? "", /as in fe80::1%eth0/);
    t.is(peerProblem(`${host}%eth0`), undefined);
  }
  t.is(peerProblem("fec0::1"), undefined);
});

const places = {
  "mqtts://[::1]:8883": { secure: true, host: "::1", port: 8883 },
  "mqtts://broker.example": { secure: true, host: "broker.example", port: 8883 },
  "mqtt://192.0.2.7:1884": { secure: false, host: "192.0.2.7", port: 1884 },
  "mqtts://[fe80::1%eth0]:1883": { secure: true, host: "fe80::1%eth0", port: 1883 },
  "mqtt://brüder.example": { secure: false, host: "xn--brder-lva.example", port: 1883 },
};
for (const [url, place] of Object.entries(places)) {
  test(`${url} is where a broker is`, (t) => {
    t.is(brokerProblem(url), undefined);
    t.deepEqual(brokerPlace(url), place);
  });
}

const nowhere = [
  "mqtt://::1:1883",
  "mqtt://%zz:1883",
  "mqtts://broker.example:8883:8883",
  "mqtts://broker.example:8883#old",
  "mqtts://broker.example?x=1",
  "mqtts://broker.example/",
  "mqtts://broker.example:0",
  "mqtts://broker.example:65536",
  "mqtts://broker.example:",
  "mqtts://broker.example:+1",
  "mqtts://[broker.example]:8883",
  "mqtts://[::1",
  "mqtts://[]:8883",
  "mqtts://[fe80::1]:8883",
  "mqtts://[fe80::1%25eth0]:8883",
  "mqtts://fe80::1%eth0",
  "mqtts://user:secret@broker.example",
  "mqtts://",
  "mqtts:///x",
  "mqtt://0.0.0.0",
  "mqtt:broker.example",
  "broker.example:8883",
  "https://broker.example",
  "ssl://broker.example:8883",
];
for (const url of nowhere) {
  test(`${url} is no broker's address`, (t) => {
    t.regex(brokerProblem(url) ?? "", /^expected mqtt:\/\/HOST\[:PORT\]/);
    t.notRegex(brokerProblem(url) ?? "", /secret/);
  });
}
