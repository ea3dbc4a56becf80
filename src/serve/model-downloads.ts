/** Downloads of model files, of which few run at a time. */
import { Readable } from 'node:stream';
import type { FastifyReply } from 'fastify';
import type { SafetensorsPieces } from '../weights/formats/safetensors/writer.ts';
import { RequestError } from './request-errors.ts';

/** Concurrent downloads: each takes the memory of the model's largest tensor. */
const MAX_DOWNLOADS = 4;
/** Bytes that are buffered for a client before the next tensor is read. */
const BUFFER_BYTES = 2 ** 20;

export class ModelDownloads {
  readonly #allowed: boolean;
  #running = 0;

  /** @param allowed whether clients may have the weights */
  constructor(allowed: boolean) {
    this.#allowed = allowed;
  }

  /**
   * Answers a request with a model file.
   * @param name of the file, without its extension
   * @param open called once the download may start
   * @throws RequestError `forbidden` or `busy`
   */
  async send(
    reply: FastifyReply,
    name: string,
    open: () => SafetensorsPieces | Promise<SafetensorsPieces>,
  ): Promise<FastifyReply> {
    if (!this.#allowed) {
      throw new RequestError('forbidden', 'This server does not send weights (--no-weights).');
    }
    if (this.#running >= MAX_DOWNLOADS) {
      throw new RequestError('busy', 'Too many downloads at the moment; try again later.', {
        retryAfter: 10,
      });
    }
    this.#running++;
    reply.raw.once('close', () => this.#running--);
    const { bytes, pieces } = await open();
    const file = `${encodeURIComponent(name)}.safetensors`;
    return reply
      .type('application/octet-stream')
      .header('content-length', bytes)
      .header('content-disposition', `attachment; filename*=UTF-8''${file}`)
      .send(Readable.from(pieces, { objectMode: false, highWaterMark: BUFFER_BYTES }) as never);
  }
}
