/** A unary method of which Faults are refusals: what the caller did wrong, or what is not to be had now. */
import { Fault, type FaultCode } from "../../base/errors.ts";
import type { GrpcMethod } from "./server.ts";
import { GrpcError, grpcStatus } from "./status.ts";

export interface Refusals {
  /** Code of Faults that are the caller's mistake; all others mean that it may come again. */
  readonly theirs: FaultCode;
  readonly onRefused: (fault: Fault) => void;
}

/** @param serve writes the answer @throws Fault */
export function unaryMethod(
  serve: (bytes: Uint8Array) => Promise<Uint8Array>,
  { theirs, onRefused }: Refusals,
): GrpcMethod {
  return {
    kind: "unary",
    serve: async (bytes) => {
      try {
        return await serve(bytes);
      } catch (error) {
        if (!(error instanceof Fault)) throw error;
        onRefused(error);
        const { invalidArgument, unavailable } = grpcStatus;
        throw new GrpcError(error.code === theirs ? invalidArgument : unavailable, error.message);
      }
    },
  };
}

/** @param why who it would have to be */
export function deniedMethod(why: string): GrpcMethod {
  return {
    kind: "unary",
    serve: () => Promise.reject(new GrpcError(grpcStatus.permissionDenied, why)),
  };
}
