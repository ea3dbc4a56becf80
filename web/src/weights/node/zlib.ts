/** As much of `node:zlib` as the readers of weight files use. */
import { unzlibSync } from 'fflate';

export function inflateSync(data: Uint8Array, { maxOutputLength }: { maxOutputLength: number }): Uint8Array {
  const out = unzlibSync(data);
  if (out.length > maxOutputLength) throw new RangeError('it unpacks to more than expected');
  return out;
}

/** The browser's own decompressor with the methods of Node's stream. */
class InflateStream {
  readonly #stream = new DecompressionStream('deflate');
  readonly #writer = this.#stream.writable.getWriter();
  destroyed = false;

  write(chunk: Uint8Array): boolean {
    this.#writer.write(chunk as Uint8Array<ArrayBuffer>).catch(() => {});
    return true;
  }

  once(): void {}

  end(): void {
    this.#writer.close().catch(() => {});
  }

  destroy(error?: Error): void {
    this.destroyed = true;
    this.#writer.abort(error).catch(() => {});
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Buffer> {
    const reader = this.#stream.readable.getReader();
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      yield Buffer.from(value.buffer, value.byteOffset, value.byteLength);
    }
  }
}

export function createInflate(): InflateStream {
  return new InflateStream();
}
