/** Completion scripts for shells, made from the table of commands; names come from the running node. */
import { exit } from "../../base/exit-codes.ts";
import { UsageError } from "../../host/terminal/program.ts";
import { CliError } from "../../ops/cli/client.ts";
import type { Alarm } from "../../ops/cli/shapes.ts";
import type { NameKind } from "./command-info.ts";
import { type CommandInfo, commands, optionsOf } from "./commands.ts";
import type { Context } from "./context.ts";
import { optionText } from "./help.ts";

const names = commands.map(({ name }) => name).join(" ");
const words = (command: CommandInfo) => [
  ...(command.words ?? []),
  ...optionsOf(command).map((option) => optionText(option).split(" ")[0] as string),
];
/** Options whose value is a file. */
const files = ["socket", "config"];
/** Commands that take the name of a file. */
const filed = ["check-config", "support-bundle", "probe", "update"].join("|");
/** What `completion` is asked for. */
const asked: Readonly<Record<NameKind, string>> = { module: "modules", km: "kms", alarm: "alarms" };

/** Names by the place of the word: of a command, and of each word after it. */
const named = commands.filter((command) => command.names !== undefined);
const valuedNames = commands.flatMap((command) =>
  command.options.flatMap((option) =>
    option.names === undefined ? [] : [{ command, option, kind: asked[option.names] }],
  ),
);

function bash(): string {
  const cases = commands.map((one) => `    ${one.name}) words="${words(one).join(" ")}" ;;`);
  const valued = files.map((name) => `--${name}`).join("|");
  const places = named.flatMap((one) =>
    (one.names ?? []).map((kind, i) => `    ${one.name}:${i + 2}) kind=${asked[kind]} ;;`),
  );
  const options = valuedNames.map(({ command, option, kind }) => {
    return `    ${command.name}:--${option.name}) kind=${kind} ;;`;
  });
  return `# bash completion for qkd-node
_qkd_node() {
  local current=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD-1]} words= kind= i
  local where=()
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W "${names} --help --version" -- "$current"))
    return
  fi
  case $previous in
    ${valued}) COMPREPLY=($(compgen -f -- "$current")); return ;;
  esac
  for ((i = 2; i < COMP_CWORD; i++)); do
    case \${COMP_WORDS[i]} in ${valued}) where+=("\${COMP_WORDS[i]}" "\${COMP_WORDS[i+1]}") ;; esac
  done
  case \${COMP_WORDS[1]} in
${cases.join("\n")}
  esac
  case \${COMP_WORDS[1]}:$COMP_CWORD in
${places.join("\n")}
  esac
  case \${COMP_WORDS[1]}:$previous in
${options.join("\n")}
  esac
  if [ -n "$kind" ] && [[ $current != -* ]]; then
    words="$words $("\${COMP_WORDS[0]}" completion "$kind" "\${where[@]}" 2>/dev/null)"
  fi
  COMPREPLY=($(compgen -W "$words" -- "$current"))
  case \${COMP_WORDS[1]} in
    ${filed}) COMPREPLY+=($(compgen -f -- "$current")) ;;
  esac
}
complete -o filenames -F _qkd_node qkd-node
`;
}

function zsh(): string {
  const quote = (text: string) => text.replaceAll("'", "'\\''");
  const list = commands.map((one) => `    '${one.name}:${quote(one.summary)}'`);
  const cases = commands.map((one) => `    ${one.name}) compadd -- ${words(one).join(" ")} ;;`);
  const ask = (kind: string) => `compadd -- $("$words[1]" completion ${kind} 2>/dev/null)`;
  const places = named.flatMap((one) =>
    (one.names ?? []).map((kind, i) => `    ${one.name}:${i + 3}) ${ask(asked[kind])} ;;`),
  );
  const options = valuedNames.map(({ command, option, kind }) => {
    return `    ${command.name}:--${option.name}) ${ask(kind)} ;;`;
  });
  return `#compdef qkd-node
_qkd_node() {
  local -a commands=(
${list.join("\n")}
  )
  if (( CURRENT == 2 )); then
    _describe command commands
    return
  fi
  case $words[CURRENT-1] in
    --socket|--config) _files; return ;;
  esac
  case $words[2]:$CURRENT in
${places.join("\n")}
  esac
  case $words[2]:$words[CURRENT-1] in
${options.join("\n")}
  esac
  case $words[2] in
${cases.join("\n")}
  esac
  case $words[2] in
    ${filed}) _files ;;
  esac
}
# From a folder of fpath this file is the function itself.
if [ "$funcstack[1]" = "_qkd-node" ]; then _qkd_node "$@"; else compdef _qkd_node qkd-node; fi
`;
}

function fish(): string {
  const quote = (text: string) => `'${text.replaceAll("'", "\\'")}'`;
  const first = "__fish_use_subcommand";
  const ask = (kind: NameKind) => `'(qkd-node completion ${asked[kind]} 2>/dev/null)'`;
  const lines = commands.flatMap((one) => {
    const seen = `-n '__fish_seen_subcommand_from ${one.name}'`;
    return [
      `complete -c qkd-node -n ${first} -f -a ${one.name} -d ${quote(one.summary)}`,
      ...(one.words ?? []).map((word) => `complete -c qkd-node ${seen} -f -a ${word}`),
      ...(one.names ?? []).map((kind) => `complete -c qkd-node ${seen} -f -a ${ask(kind)}`),
      ...optionsOf(one).map(({ name, value, about, names: kind }) => {
        const flag = name.length === 1 ? `-s ${name}` : `-l ${name}`;
        const known = kind === undefined ? "" : ` -f -a ${ask(kind)}`;
        return `complete -c qkd-node ${seen} ${flag}${value === undefined ? "" : " -r"}${known} -d ${quote(about)}`;
      }),
    ];
  });
  return `# fish completion for qkd-node\n${lines.join("\n")}\n`;
}

const shells: Readonly<Record<string, () => string>> = { bash, zsh, fish };

/** Names of the running node, one a line; none if it does not run, or may not be asked. */
async function namesOf(what: string, context: Context): Promise<readonly string[]> {
  try {
    if (what === "alarms") {
      const { alarms } = await context.ask<{ readonly alarms: readonly Alarm[] }>("alarms");
      return alarms.map(({ alarm }) => alarm);
    }
    return (await context.names())[what === "kms" ? "kms" : "modules"];
  } catch (error) {
    if (error instanceof CliError) return [];
    throw error;
  }
}

export async function run(context: Context): Promise<number> {
  const { positionals, terminal } = context;
  const [what = ""] = positionals;
  if (Object.values(asked).includes(what)) {
    // A word that a shell would take apart is none to complete.
    const plain = (await namesOf(what, context)).filter((name) => /^[\w.@:-]+$/.test(name));
    for (const name of plain) terminal.pass(name);
    return exit.ok;
  }
  const make = Object.hasOwn(shells, what) ? shells[what] : undefined;
  if (make === undefined) throw new UsageError(`completion ${Object.keys(shells).join("|")}`);
  terminal.pass(make().trimEnd());
  return exit.ok;
}
