/**
 * Synchronous data parallelism (section 3.3): every rank and every GPU computes the gradients of its part of a batch,
 * and they exchange sums. The block of gradients is cut into buckets from its end, because the backward pass begins with the last
 * layers, which hold most of the bytes. A bucket is sent as soon as its gradients are final, while the backward pass
 * continues with the layers below.
 */
import type { Communicator, ExchangeType } from '../comm/communicator.ts';
import { bucketLength } from '../core/process-team.ts';
import { elementCount } from '../core/shape.ts';
import type { Parameters } from '../kernels/backend.ts';

/** The duration of an exchange, in seconds. */
export interface ExchangeTime {
  /** Time from sending the first bucket to receiving the last one. */
  readonly total: number;
  /** The part of it after the backward pass, while nothing else was computed. */
  readonly exposed: number;
  /** In the order in which they were sent. */
  readonly buckets: readonly BucketTime[];
}

/**
 * When a bucket was sent and arrived, in seconds after the end of the backward pass (negative: before it). On GPUs,
 * which run behind what is submitted to them, it is sent when all of them have computed its gradients.
 */
export interface BucketTime {
  /** Values `[begin, end)` of the block of gradients. */
  readonly begin: number;
  readonly end: number;
  readonly sentAt: number;
  readonly arrivedAt: number;
}

export class GradientExchange {
  readonly #parameters: Parameters;
  readonly #communicator: Communicator;
  readonly #type: ExchangeType;
  /** Where each tensor begins in the block. */
  readonly #offsets: readonly number[];
  readonly #bucket: number;
  #pending: Promise<BucketTime>[] = [];
  /** The last bucket whose sum over the ranks has begun: all ranks begin them in the same order. */
  #begun: Promise<unknown> = Promise.resolve();
  /** Everything from here on has been sent. */
  #sent: number;

  constructor(parameters: Parameters, communicator: Communicator, type: ExchangeType) {
    let end = 0;
    this.#offsets = parameters.trained.map(({ shape }) => {
      const begin = end;
      end += elementCount(shape);
      return begin;
    });
    this.#parameters = parameters;
    this.#communicator = communicator;
    this.#type = type;
    this.#bucket = bucketLength(end);
    this.#sent = end;
  }

  /** An exchange, if several ranks or several devices share a batch. */
  static between(
    parameters: Parameters,
    communicator: Communicator,
    type: ExchangeType,
  ): GradientExchange | undefined {
    const devices = parameters.gradientTransfer?.devices ?? 1;
    if (communicator.size * devices === 1) return undefined;
    return new GradientExchange(parameters, communicator, type);
  }

  /** Sends all complete buckets, given that the gradients from this tensor on are final. */
  ready(tensor: number): void {
    // Frozen tensors come first and have no gradients.
    const frozen = this.#parameters.specs.length - this.#offsets.length;
    const from = this.#offsets[Math.max(0, tensor - frozen)] ?? this.#sent;
    while (this.#sent > 0) {
      const begin = Math.max(0, this.#sent - this.#bucket);
      if (begin < from) return;
      this.#send(begin, this.#sent);
      this.#sent = begin;
    }
  }

  /** Sends the rest once all gradients are final, and waits until each is the sum over the ranks. */
  async finish(): Promise<ExchangeTime> {
    const calledAt = performance.now();
    this.ready(0);
    const sums = await Promise.all(this.#pending);
    this.#pending = [];
    // A GPU's last gradients are final before the pass's results have been read, which takes as long as the copies.
    const lastSentAt = this.#parameters.gradientTransfer && sums.at(-1)?.sentAt;
    const finalAt = Math.min(calledAt, lastSentAt ?? calledAt);
    const end = Math.max(finalAt, ...sums.map(({ arrivedAt }) => arrivedAt));
    this.#sent = this.#parameters.gradientBlock().length;
    const seconds = (moment: number) => (moment - finalAt) / 1000;
    const buckets = sums.map((sum) => ({
      ...sum,
      sentAt: seconds(sum.sentAt),
      arrivedAt: seconds(sum.arrivedAt),
    }));
    const exposed = seconds(end);
    return { total: exposed - (buckets[0]?.sentAt ?? exposed), exposed, buckets };
  }

  #send(begin: number, end: number): void {
    const sum = this.#sum(begin, end);
    // Awaited by finish; until then a failure must not count as unhandled.
    sum.catch(() => {});
    this.#pending.push(sum);
  }

  /** @returns times as `performance.now` gives them */
  async #sum(begin: number, end: number): Promise<BucketTime> {
    let sentAt = performance.now();
    const { gradientTransfer: devices } = this.#parameters;
    const bf16 = this.#type === 'bf16';
    if (devices) {
      const fetched = devices.fetch(begin, end, bf16);
      fetched.catch(() => {});
      this.#begun = this.#begun.then(() => fetched);
      await this.#begun;
      sentAt = await fetched;
    }
    const values = this.#parameters.gradientBlock().subarray(begin, end);
    await this.#communicator.allReduceSum(values, this.#type);
    await devices?.store(begin, end, bf16);
    return { begin, end, sentAt, arrivedAt: performance.now() };
  }
}
