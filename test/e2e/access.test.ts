/**
 * Access control of a network (IMDA RS QKDN §7.4) between real programs: a controller registers an application and gives it a
 * certificate, key managers serve it, and serve it no more once the certificate is taken back.
 */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import test from "ava";
import { createAuthority, createRequest } from "../emulator/certificates.ts";
import { eventually } from "../eventually.ts";
import { ApplicationClient, heldKeys } from "../rig/application.ts";
import { qkdController, tooWide } from "../rig/cli.ts";
import { ControllerProcess } from "../rig/controller-process.ts";
import { KmNet } from "../rig/km-net.ts";
import { deadline } from "../rig/with-rig.ts";

test.serial(
  "who is registered gets a certificate and keys; taken back, it gets none",
  async (t) => {
    const folder = await mkdtemp(`${tmpdir()}/qkd-access-`);
    t.teardown(() => rm(folder, { recursive: true }));
    const authority = await createAuthority("QKDN CA");
    await writeFile(`${folder}/ca.key`, await authority.exportKey(), { mode: 0o600 });
    const controller = await ControllerProcess.make({
      folder,
      authority,
      tables: `[node.km-a]\n[node.km-b]\n[access]\nopen_to_applications = false
[access.ca]\ncert = "ca.crt"\nkey = "ca.key"\n`,
    });
    t.teardown(() => controller.process.stop("SIGKILL"));
    const net = await KmNet.make({
      folder,
      authority,
      kms: ["a", "b"],
      fibres: [["a", "b"]],
      far: [],
      saes: (km) => (km === "a" ? ["app-a", "app-x"] : ["app-b"]),
      more: () =>
        `[controller.one]\nhost = "127.0.0.1"\nport = ${controller.port}\nserver_name = "controller.example"\n`,
    });
    t.teardown(() => net.stop());
    await controller.start(deadline());
    await net.start(deadline());
    await net.feedAll(4);

    const cli = async (...args: string[]) => {
      const { code, out, err } = await qkdController([...args, "--config", controller.config]);
      t.is(code, 0, err);
      return out;
    };
    /** A client that has this certificate, of a key and request of its own. */
    const certified = async (file: string, ...order: string[]) => {
      const { request, key } = await createRequest("whatever it says");
      await writeFile(`${folder}/${file}.csr`, request);
      await writeFile(`${folder}/${file}.key`, key, { mode: 0o600 });
      const to = ["--csr", `${folder}/${file}.csr`, "--out", `${folder}/${file}.crt`];
      const serial = /certificate ([0-9a-f]{20}),/.exec(await cli(...order, ...to))?.[1] ?? "";
      const files = {
        ca: `${folder}/ca.crt`,
        cert: `${folder}/${file}.crt`,
        key: `${folder}/${file}.key`,
      };
      const client = new ApplicationClient(net.km("a") as never, { saeId: "app-x", ...files });
      t.teardown(() => client.close());
      return { serial, client };
    };
    const b = new ApplicationClient(net.km("b") as never, net.km("b").application);
    t.teardown(() => b.close());

    const first = await certified("first", "register", "application", "app-x", "--km", "km-a");
    const served = async ({ client }: typeof first) => (await client.encKeys("app-b")).status;
    await eventually("the link has keys", () => served(first), { is: 200 });
    const keys = heldKeys(await first.client.encKeys("app-b"));
    t.deepEqual(heldKeys(await b.decKeys("app-x", [keys[0]?.id ?? ""])), keys);

    // Another key in time; the first is taken back alone.
    const second = await certified("second", "certify", "application", "app-x");
    t.is(await served(second), 200);
    await cli("revoke", first.serial, "--reason", "superseded");
    const refused = (one: typeof first) =>
      served(one).then(
        () => "served",
        (error) => error.code,
      );
    await eventually("the first is refused", () => refused(first), {
      when: (how) => how !== "served",
    });
    t.is(await served(second), 200);
    const listed = await cli("issued");
    t.regex(listed, new RegExp(`^${first.serial} +application app-x .*revoked +superseded`, "m"));
    t.regex(listed, new RegExp(`^${second.serial} +application app-x .*good`, "m"));
    t.deepEqual(tooWide(listed), []);
    t.regex(await cli("revocation-list"), /-----BEGIN X509 CRL-----/);
    t.regex(await cli("changes"), /app-x +certificate [0-9a-f]{20}\s+revoked/);

    // A key manager's certificate lets it in at the controller, until it is taken back.
    const { request, key } = await createRequest("km-x");
    await writeFile(`${folder}/km.csr`, request);
    const said = await cli("register", "km", "km-x", "--csr", `${folder}/km.csr`, "--json");
    const { certificate, serial } = JSON.parse(said);
    const km = await controller.km("km-x", "tcp", { cert: certificate, key });
    t.teardown(() => km.stop());
    await eventually("it is connected", () => km.end.sessions.length, { is: 1 });
    await cli("revoke", serial, "--reason", "key_compromise");
    const node = async () => (await controller.status()).nodes.find((one) => one.km === "km-x");
    await eventually("it is cut", async () => (await node())?.attached, { is: false });

    // Taken back altogether; a key manager that begins anew without a controller knows it.
    await cli("withdraw", "application", "app-x");
    await eventually("the second is refused", () => refused(second), {
      when: (how) => how !== "served",
    });
    await controller.process.stop();
    await net.km("a").process.stop();
    net.km("a").process.lines.length = 0;
    net.km("a").process.start();
    await net.km("a").process.logged(/msg="running"/, deadline());
    t.not(await refused(second), "served");
    const a = new ApplicationClient(net.km("a") as never, net.km("a").application);
    t.teardown(() => a.close());
    const other = async () => (await a.encKeys("app-b")).status;
    await eventually("others are served", other, { is: 200 });

    // The controller knows all of it after a restart.
    await controller.start(deadline());
    const { number } = JSON.parse(await cli("revocation-list", "--json"));
    t.true(number >= 5);
    t.deepEqual(
      JSON.parse(await cli("issued", "--json")).map(({ state }: { state: string }) => state),
      ["revoked", "revoked", "revoked"],
    );
    t.regex(await readFile(`${net.km("a").state}/revoked.crl`, "latin1"), /BEGIN X509 CRL/);

    // Orders without sense change nothing; an empty route is the link between the two.
    for (const order of [
      ["route", "set", "km-a", "km-nowhere", ""],
      ["route", "set", "km-a", "km-b", "km-nowhere"],
      ["route", "set", "km-a", "km-b", ";"],
      ["relay", "km-a", "km-a", "8"],
      ["relay", "km-a", "km-b", "1e3"],
      ["register", "km", "a\nb"],
      ["register", "application", "app-q", "--class", "nope"],
      ["register", "application", "app-q", "--km", "km-nowhere"],
      ["service", "x".repeat(20_000), "reserved"],
      ["register", "km", "x".repeat(129)],
      ["certify", "km", "km-a", "--csr", "/dev/zero"],
    ]) {
      const { code, err } = await qkdController([...order, "--config", controller.config]);
      t.is(code, 64, `${order.join(" ")}: ${err}`);
    }
    t.notRegex(await cli("pairs"), /nowhere/);
    await cli("route", "set", "km-a", "km-b", "");
    t.regex(await cli("changes"), /routes set by hand/);
  },
);
