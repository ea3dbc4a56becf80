/**
 * Admission control: how much work the server accepts at a time. A request that exceeds the limits is rejected
 * immediately, before its body is read, since waiting in a queue that is too long helps nobody.
 */
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Limits } from './contract/model-schemas.ts';
import { RequestError } from './request-errors.ts';
import { maxBodyBytes } from './uploads.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** The permit of a request for work on images. */
    permit: Permit | undefined;
  }
}

interface AdmissionLimits {
  /** Images × scales that wait or are computed. */
  readonly slots: number;
  /** Bytes of request bodies in memory. */
  readonly bytes: number;
}

/** The slots and bytes that a request holds until it releases them. */
export interface Permit {
  /** Takes more slots. @throws RequestError `busy` if there are none; slots already held stay held. */
  extend(slots: number): void;
  release(): void;
}

export class AdmissionControl {
  readonly #limits: AdmissionLimits;
  #slots = 0;
  #bytes = 0;

  constructor(limits: AdmissionLimits) {
    this.#limits = limits;
  }

  /** Slots in use. */
  get slots(): number {
    return this.#slots;
  }

  /** @throws RequestError `busy` if the limits would be exceeded. */
  acquire(slots: number, bytes: number): Permit {
    this.#check(slots, bytes);
    this.#slots += slots;
    this.#bytes += bytes;
    let held = slots;
    let released = false;
    return {
      extend: (more) => {
        if (released) return;
        this.#check(more, 0, held);
        this.#slots += more;
        held += more;
      },
      release: () => {
        if (released) return;
        released = true;
        this.#slots -= held;
        this.#bytes -= bytes;
      },
    };
  }

  /** @param held slots that the request holds already */
  #check(slots: number, bytes: number, held = 0): void {
    if (this.#slots + slots <= this.#limits.slots && this.#bytes + bytes <= this.#limits.bytes) return;
    if (held + slots > this.#limits.slots) {
      throw new RequestError(
        'busy',
        `This request needs ${held + slots} places in the queue, which has ${this.#limits.slots}; ask for less, or start the server with a larger --queue.`,
      );
    }
    throw new RequestError('busy', 'The queue is full; try again in a moment.', { retryAfter: 1 });
  }
}

/** Bytes that the part headers of multipart/form-data may add to the images. */
const PART_HEADER_BYTES = 65_536;

/** A hook for the routes that receive images. @throws RequestError `too_large` or `busy`. */
export function admit({ admission, limits }: { admission: AdmissionControl; limits: Limits }) {
  return async (request: FastifyRequest, reply: FastifyReply): Promise<void> => {
    const maximum = maxBodyBytes(request, limits);
    const length = request.headers['content-length'];
    const bytes = length === undefined ? maximum : Number(length);
    if (bytes > maximum + PART_HEADER_BYTES) {
      throw new RequestError(
        'too_large',
        `The body has ${bytes} bytes; the maximum is ${maximum}. Send fewer or smaller images.`,
      );
    }
    const permit = admission.acquire(1, bytes);
    request.permit = permit;
    reply.raw.once('close', () => permit.release());
  };
}
