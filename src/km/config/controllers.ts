/** QKDN controllers of the configuration: tables `[controller.NAME]`. */
import * as v from "valibot";
import { resolveFiles } from "../../host/config/read.ts";
import { fileName, id, listener, peer, whole } from "../../host/config/values.ts";

export const controllerSchema = v.strictObject({
  host: peer,
  port: whole(1, 65_535),
  binding: v.optional(v.picklist(["tcp", "grpc"]), "tcp"),
  server_name: v.optional(id),
  ca: v.optional(fileName),
  cert: v.optional(fileName),
  key: v.optional(fileName),
  crl: v.optional(fileName),
});

/** Where controllers ask by RPCs of their own. */
export const ckSchema = v.strictObject({
  host: v.optional(listener, "::"),
  port: whole(0, 65_535),
  ca: fileName,
  cert: fileName,
  key: fileName,
  crl: v.optional(fileName),
  controllers: v.pipe(
    v.array(id),
    v.minLength(1, "expected at least one name"),
    v.maxLength(8, "expected at most 8 names"),
  ),
});

type ControllerTable = v.InferOutput<typeof controllerSchema>;

/** A controller, with the files that the way to it goes by. */
export interface ControllerConfig extends Omit<ControllerTable, "server_name"> {
  readonly name: string;
  readonly serverName: string;
  /** Its files are of its own table, and not those of `[kx]`. */
  readonly isOwn: boolean;
}

const mostControllers = 8;
const files = ["ca", "cert", "key", "crl"] as const;

/** Files of `[kx]`, as they are resolved. */
type KxFiles = Pick<ControllerTable, "ca" | "cert" | "key" | "crl">;

/** @param file of the configuration, to which names of files are relative @param kx as resolved */
export function controllersOf(
  tables: Readonly<Record<string, ControllerTable>>,
  kx: KxFiles | undefined,
  file: string,
): ControllerConfig[] {
  return Object.entries(tables).map(([name, { server_name, ...table }]) => {
    const isOwn = table.ca !== undefined;
    const { ca, cert, key, crl } = isOwn ? resolveFiles(table, files, file) : (kx ?? {});
    const { host, port, binding } = table;
    const serverName = server_name ?? host;
    return { name, host, port, binding, serverName, isOwn, ca, cert, key, crl };
  });
}

/** What is wrong with them together. */
export function checkControllers(
  {
    controller,
    kx,
  }: { readonly controller: Record<string, ControllerTable>; readonly kx?: unknown },
  complain: (key: string, what: string) => void,
): void {
  const names = Object.keys(controller);
  if (names.length > mostControllers) {
    complain("controller", `expected at most ${mostControllers} controllers`);
  }
  const places = new Map<string, string>();
  for (const [name, { ca, cert, key, crl, host, port }] of Object.entries(controller)) {
    const given = [ca, cert, key].filter((one) => one !== undefined).length;
    if (given !== 0 && given !== 3) {
      complain(
        `controller.${name}`,
        "ca, cert and key go together; without them those of [kx] are taken",
      );
    }
    if (crl !== undefined && given === 0) {
      complain(`controller.${name}.crl`, "goes together with ca, cert and key");
    }
    if (given === 0 && kx === undefined) {
      complain(
        `controller.${name}.cert`,
        "missing: without [kx] a controller has ca, cert and key",
      );
    }
    const place = `${host} ${port}`;
    const other = places.get(place);
    if (other !== undefined) complain(`controller.${name}.host`, `${other} is there, too`);
    places.set(place, name);
  }
}
