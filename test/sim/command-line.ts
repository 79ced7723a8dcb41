/** Command lines of programs that take options alone: their help, and what is wrong with one. */
import { type ParseArgsConfig, parseArgs } from "node:util";

type Table = NonNullable<ParseArgsConfig["options"]>;
type Values<Options extends Table> = ReturnType<typeof parseArgs<{ options: Options }>>["values"];

/** Ends the process where help was asked for, or where the command line is wrong. */
export function readOptions<const Options extends Table>(
  usage: string,
  options: Options,
): Values<Options> {
  try {
    const { values } = parseArgs({
      options: { ...options, help: { type: "boolean", short: "h" } } as Table,
    });
    if (values.help !== true) return values as Values<Options>;
    process.stdout.write(usage);
    process.exit(0);
  } catch (error) {
    return endWith((error as Error).message, usage);
  }
}

/** The command line is wrong. */
export function endWith(message: string, usage: string): never {
  process.stderr.write(`${message}\n\n${usage}`);
  process.exit(64);
}
