/**
 * How much a server takes on at a time. Whoever finds no room is told so at once, before a byte of the body is
 * read: waiting in a queue that cannot be served in time helps nobody.
 */
import { RequestError } from './errors.ts';

export interface AdmissionLimits {
  /** Images times scales that wait or are computed. */
  readonly places: number;
  /** Bytes of bodies that are held. */
  readonly bytes: number;
}

/** What a request holds until it is released. */
export interface Permit {
  /** Takes more places. @throws RequestError `busy` where there are none; those held stay held. */
  grow(places: number): void;
  release(): void;
}

export class AdmissionControl {
  readonly #limits: AdmissionLimits;
  #places = 0;
  #bytes = 0;

  constructor(limits: AdmissionLimits) {
    this.#limits = limits;
  }

  /** Places that are taken. */
  get places(): number {
    return this.#places;
  }

  /** @throws RequestError `busy` where there is no room. */
  take(places: number, bytes: number): Permit {
    this.#checkRoom(places, bytes);
    this.#places += places;
    this.#bytes += bytes;
    let held = places;
    let released = false;
    return {
      grow: (more) => {
        if (released) return;
        this.#checkRoom(more, 0);
        this.#places += more;
        held += more;
      },
      release: () => {
        if (released) return;
        released = true;
        this.#places -= held;
        this.#bytes -= bytes;
      },
    };
  }

  #checkRoom(places: number, bytes: number): void {
    if (this.#places + places <= this.#limits.places && this.#bytes + bytes <= this.#limits.bytes) return;
    throw new RequestError('busy', 'The server has as much to do as it takes on; try again in a moment.', {
      retryAfter: 1,
    });
  }
}

//// MERGED src/serve/admit.ts
/** Lets requests in while there is room, before their bodies are read. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Permit } from './admission.ts';
import type { Context } from './context.ts';
import { RequestError } from './errors.ts';
import { largestBody } from './uploads.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** What a request for work on images holds. */
    permit: Permit | undefined;
  }
}

/** A hook for the routes that take images. @throws RequestError `too_large` or `busy`. */
export function admit({ admission, limits }: Context) {
  return async (request: FastifyRequest, reply: FastifyReply): Promise<void> => {
    const most = largestBody(request, limits);
    const length = request.headers['content-length'];
    const bytes = length === undefined ? most : Number(length);
    // A little more for the lines between the parts.
    if (bytes > most + 65_536) {
      throw new RequestError(
        'too_large',
        `The body has ${bytes} bytes, more than the ${most} that are taken.`,
      );
    }
    const permit = admission.take(1, bytes);
    request.permit = permit;
    reply.raw.once('close', () => permit.release());
  };
}
