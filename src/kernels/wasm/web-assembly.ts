/** The parts of the WebAssembly API that the kernels need; the types come with neither ECMAScript nor Node. */
declare const module: unique symbol;

/** A compiled module, which can be posted to workers. */
export interface WasmModule {
  readonly [module]: true;
}

export interface WasmMemory {
  /** Becomes another one, which is longer, when memory grows. */
  readonly buffer: SharedArrayBuffer | ArrayBuffer;
}

/** Functions; addresses, numbers and truth values are numbers. */
export type WasmExports = Readonly<Record<string, (...args: readonly number[]) => number>> & {
  readonly __stack_pointer: { value: number };
};

/** Undefined where WebAssembly is turned off. */
export const webAssembly: {
  readonly Memory: new (size: { initial: number; maximum: number; shared: boolean }) => WasmMemory;
  readonly Module: new (bytes: Uint8Array) => WasmModule;
  validate(bytes: Uint8Array): boolean;
  compile(bytes: Uint8Array): Promise<WasmModule>;
  instantiate(
    module: WasmModule,
    imports: Readonly<Record<string, Readonly<Record<string, unknown>>>>,
  ): Promise<{ readonly exports: WasmExports }>;
} = (globalThis as unknown as { WebAssembly: typeof webAssembly }).WebAssembly;
