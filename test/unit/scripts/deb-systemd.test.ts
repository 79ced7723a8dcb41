/** The package asks for a systemd that knows all of its units: an older one leaves out a line with no more than a warning. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import test from "ava";
import { control } from "../../../scripts/deb.d/tree.ts";

const folder = fileURLToPath(new URL("../../../systemd", import.meta.url));

/** Lines of units that came after systemd 246, by its NEWS. */
const since: Readonly<Record<string, number>> = {
  ProcSubset: 247,
  ProtectProc: 247,
  PrivateIPC: 248,
  // 250; by its name alone, from /etc/credstore.encrypted, since 251.
  LoadCredentialEncrypted: 251,
};

const older = new Set(
  `After AmbientCapabilities CPUWeight CapabilityBoundingSet ConfigurationDirectory ConfigurationDirectoryMode
  Description DeviceAllow DevicePolicy Documentation Environment ExecReload ExecStart ExecStopPost Group IPAddressAllow
  IPAddressDeny IgnoreSIGPIPE InaccessiblePaths KeyringMode KillMode LimitCORE LockPersonality MemoryMax MemorySwapMax
  NoNewPrivileges NotifyAccess OOMScoreAdjust PartOf PathExists PrivateDevices PrivateMounts PrivateNetwork PrivateTmp
  PrivateUsers ProtectClock ProtectControlGroups ProtectHome ProtectHostname ProtectKernelLogs ProtectKernelModules
  ProtectKernelTunables ProtectSystem ReadWritePaths RemoveIPC Restart RestartPreventExitStatus RestartSec
  RestrictAddressFamilies RestrictNamespaces RestrictRealtime RestrictSUIDSGID RuntimeDirectory RuntimeDirectoryMode
  RuntimeDirectoryPreserve RuntimeMaxSec StandardError StandardInput StandardOutput StartLimitBurst
  StartLimitIntervalSec StateDirectory StateDirectoryMode SupplementaryGroups SystemCallArchitectures
  SystemCallErrorNumber SystemCallFilter TTYPath TTYReset TTYVHangup TasksMax TimeoutStartSec TimeoutStopSec Type UMask
  UnsetEnvironment User WantedBy WatchdogSec WatchdogSignal WorkingDirectory`.split(/\s+/),
);

test("an older systemd, which would leave the keys out, is not installed upon", (t) => {
  const units = readdirSync(folder).filter((name) => /\.(service|path)$/.test(name));
  const lines = units.flatMap((name) => {
    const text = readFileSync(join(folder, name), "utf8");
    return [...text.matchAll(/^([A-Z]\w*)=/gm)].map(([, directive]) => directive as string);
  });
  const needed = lines.map((name) => since[name] ?? (older.has(name) ? 0 : Number.NaN));
  const text = control(
    { version: "1", architecture: "amd64", maintainer: "M <m@example>", seconds: 0, host: "" },
    1,
  );
  const asked = Number(/^Depends: .*\bsystemd \(>= (\d+)\)/m.exec(text)?.[1]);
  t.deepEqual(
    lines.filter((_, i) => !(asked >= (needed[i] as number))),
    [],
  );
});
