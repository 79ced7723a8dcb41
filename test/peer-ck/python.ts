/** Which Python runs the other ends of Ck over gRPC. */
import { execFileSync } from "node:child_process";
import { find } from "../find.ts";

/** A Python with grpcio: Debian's, which need not be the first in the PATH. */
export const pythonWithGrpc = [find("python3"), "/usr/bin/python3"].find((one) => {
  try {
    execFileSync(one ?? "", ["-c", "import grpc, google.protobuf"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
});
/** The package that is missing is asked for as a program that is not there. */
export const grpcio = pythonWithGrpc === undefined ? "python3-grpcio" : "protoc";
