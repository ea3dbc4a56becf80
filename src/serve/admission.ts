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
export interface Ticket {
  /** Takes more places. @throws RequestError `busy` where there are none; those held stay held. */
  grow(places: number): void;
  release(): void;
}

export class Admission {
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
  take(places: number, bytes: number): Ticket {
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
