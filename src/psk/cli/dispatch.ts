/** `qkd-psk COMMAND`: the table of its commands. */
import { systemClock } from "../../base/clock.ts";
import { exit } from "../../base/exit-codes.ts";
import { type Program, begin as start } from "../../host/terminal/program.ts";
import { openTerminal } from "../../host/terminal/terminal.ts";
import { checkPskConfig, loadPskConfig } from "../config/load.ts";

const standardConfig = "/etc/qkd-psk/psk.toml";

const usage = `qkd-psk COMMAND [--config FILE]: QKD keys for a tunnel, changed while it runs

  run            asks the key manager of this end for keys (ETSI GS QKD 014),
                 and gives them to the tunnel (WireGuard, strongSwan, any
                 program), together with the qkd-psk at the other end, until it
                 is stopped
  check-config   says what is wrong with the configuration and the files that it
                 names; also: check-config FILE

  --config FILE  its configuration (default ${standardConfig})
  --help, --version

Exit codes: 0 done, 64 wrong command line, 70 a defect, 74 a file or a socket,
78 the configuration.
`;

const terminal = openTerminal(process.stdout, process.stderr, process.env, "qkd-psk");

const program: Program<Record<never, never>> = {
  name: "qkd-psk",
  usage,
  standardConfig,
  options: {},
  commands: [
    {
      call: "run",
      isDaemon: true,
      run: async ({ file }) => (await import("../main.ts")).run(loadPskConfig(file)),
    },
    {
      call: "check-config [FILE]",
      run: ({ file, words: [named = file] }) => {
        const { role, peer } = checkPskConfig(named, systemClock.wall());
        terminal.say(`${named}: good (${role}, with ${peer.sae})`);
        return exit.ok;
      },
    },
  ],
};

/** Carries out a command line, and ends the process with its exit code. */
export function begin(args: readonly string[]): Promise<void> {
  return start(program, terminal, args);
}
