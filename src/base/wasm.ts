/** Modules of WebAssembly that work in one memory of fixed size, outside of the JavaScript heap. */

declare const WebAssembly: {
  readonly Memory: new (size: {
    initial: number;
    maximum: number;
  }) => { readonly buffer: ArrayBuffer };
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (
    module: object,
    imports: { readonly env: { readonly memory: object } },
  ) => { readonly exports: object };
};

/** A memory, and what code does in it. */
export interface WasmRoom {
  /** All of it. */
  readonly bytes: Buffer;
  /** @param code base64 of a module that imports `env.memory`, of as many pages @returns what it exports */
  instantiate(code: string): object;
}

/** @param pages of 64 KiB each; as the text of the modules has it */
export function wasmRoom(pages: number): WasmRoom {
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
  return {
    bytes: Buffer.from(memory.buffer),
    instantiate: (code) => {
      const module = new WebAssembly.Module(Buffer.from(code, "base64"));
      return new WebAssembly.Instance(module, { env: { memory } }).exports;
    },
  };
}
