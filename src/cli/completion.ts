/** Completion scripts for shells, made from the table of commands. */
import { exit } from "../exit-codes.ts";
import { type CommandInfo, commands, optionsOf } from "./commands.ts";
import { type Context, UsageError } from "./context.ts";
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

function bash(): string {
  const cases = commands.map((one) => `    ${one.name}) words="${words(one).join(" ")}" ;;`);
  const valued = files.map((name) => `--${name}`).join("|");
  return `# bash completion for qkd-node
_qkd_node() {
  local current=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD-1]} words=
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W "${names} --help --version" -- "$current"))
    return
  fi
  case $previous in
    ${valued}) COMPREPLY=($(compgen -f -- "$current")); return ;;
  esac
  case \${COMP_WORDS[1]} in
${cases.join("\n")}
  esac
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
  const lines = commands.flatMap((one) => {
    const seen = `-n '__fish_seen_subcommand_from ${one.name}'`;
    return [
      `complete -c qkd-node -n ${first} -f -a ${one.name} -d ${quote(one.summary)}`,
      ...(one.words ?? []).map((word) => `complete -c qkd-node ${seen} -f -a ${word}`),
      ...optionsOf(one).map(({ name, value, about }) => {
        const flag = name.length === 1 ? `-s ${name}` : `-l ${name}`;
        return `complete -c qkd-node ${seen} ${flag}${value === undefined ? "" : " -r"} -d ${quote(about)}`;
      }),
    ];
  });
  return `# fish completion for qkd-node\n${lines.join("\n")}\n`;
}

const shells: Readonly<Record<string, () => string>> = { bash, zsh, fish };

export async function run({ positionals, terminal }: Context): Promise<number> {
  const [shell = ""] = positionals;
  const make = Object.hasOwn(shells, shell) ? shells[shell] : undefined;
  if (make === undefined) throw new UsageError(`completion ${Object.keys(shells).join("|")}`);
  terminal.say(make().trimEnd());
  return exit.ok;
}
