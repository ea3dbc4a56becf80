/**
 * Progress on stderr: a bar with the time left for work of more than two seconds, only when a person is at
 * the terminal.
 */
import { type Options, type Params, SingleBar } from 'cli-progress';
import { formatDuration } from '../report/format.ts';

const SHOW_AFTER_SECONDS = 2;
const BAR_WIDTH = 24;

export interface ProgressOptions {
  /** Where work goes on that was begun before (default 0): the time left counts from here. */
  readonly done?: number;
  /** Default: stderr. */
  readonly stream?: NodeJS.WriteStream;
}

/** The bar on the screen: there is one line for it. */
let visible: ProgressBar | undefined;

/** A bar that its owner updates and, in the end, stops. */
export class ProgressBar {
  readonly #label: string;
  readonly #total: number;
  readonly #stream: NodeJS.WriteStream;
  readonly #start: number;
  readonly #startedAt = performance.now();
  readonly #timer: NodeJS.Timeout | undefined;
  #done: number;
  #note = '';
  #bar: SingleBar | undefined;

  constructor(label: string, total: number, { done = 0, stream = process.stderr }: ProgressOptions = {}) {
    this.#label = label;
    this.#total = total;
    this.#stream = stream;
    this.#start = done;
    this.#done = done;
    if (stream.isTTY) this.#timer = setTimeout(() => this.show(), SHOW_AFTER_SECONDS * 1000).unref();
  }

  /** @param note what else to say, for example `loss 2.31, error 34.5 %`; stays until there is another */
  update(done: number, note: string = this.#note): void {
    this.#done = done;
    this.#note = note;
    this.#bar?.update(done);
    // The timer cannot fire while the work leaves the event loop no turn.
    if (this.#timer && !this.#bar && this.#seconds() >= SHOW_AFTER_SECONDS) this.show();
  }

  advance(by = 1, note?: string): void {
    this.update(this.#done + by, note);
  }

  /** Says something else, while no more is done. */
  note(note: string): void {
    this.update(this.#done, note);
  }

  /** Takes the bar off the screen for good. */
  stop(): void {
    clearTimeout(this.#timer);
    this.hide();
    if (visible === this) visible = undefined;
  }

  hide(): void {
    this.#bar?.stop();
    this.#bar = undefined;
  }

  show(): void {
    if (this.#bar || (visible && visible !== this)) return;
    visible = this;
    // Its own signal handler would keep the process from ending, and a process that is killed must not leave
    // the terminal without line wrapping: long lines are cut instead.
    this.#bar = new SingleBar({
      stream: this.#stream,
      format: (_options: Options, params: Params) => this.#line(params),
      clearOnComplete: true,
      gracefulExit: false,
      linewrap: true,
    });
    this.#bar.start(this.#total, this.#done);
  }

  #line({ progress }: Params): string {
    const filled = Math.round(Math.min(1, progress) * BAR_WIDTH);
    const bar = '█'.repeat(filled) + '░'.repeat(BAR_WIDTH - filled);
    const parts = [`${this.#label} ${bar} ${Math.floor(progress * 100)} %`, this.#timeLeft(), this.#note];
    return parts.filter((part) => part !== '').join(' · ');
  }

  #timeLeft(): string {
    const rate = (this.#done - this.#start) / this.#seconds();
    return rate > 0 ? `${formatDuration((this.#total - this.#done) / rate)} left` : '';
  }

  #seconds(): number {
    return (performance.now() - this.#startedAt) / 1000;
  }
}

/** Reports that so much more is done. */
export type Tick = (by?: number, note?: string) => void;

/** Does work under a bar, which goes away however the work ends. */
export async function withProgress<T>(
  label: string,
  total: number,
  work: (tick: Tick) => Promise<T>,
  options: ProgressOptions = {},
): Promise<T> {
  const bar = new ProgressBar(label, total, options);
  try {
    return await work((by, note) => bar.advance(by, note));
  } finally {
    bar.stop();
  }
}

/** Writes while no bar is in the way. */
export function withoutBar(write: () => void): void {
  const bar = visible;
  bar?.hide();
  write();
  bar?.show();
}

process.on('exit', () => visible?.hide());
