/**
 * Progress on stderr: a bar with the time left, for work that takes more than two seconds, only on a terminal.
 */
import { type Options, type Params, SingleBar } from 'cli-progress';
import { formatDuration } from '../report/format.ts';

const SHOW_AFTER_SECONDS = 2;
const BAR_WIDTH = 24;

interface ProgressOptions {
  /** Units done in an earlier session (default 0); the time left is estimated from those done since. */
  readonly done?: number;
  /** Default: stderr. */
  readonly stream?: NodeJS.WriteStream;
}

/** The bar on screen. Only one is shown at a time. */
let visible: ProgressBar | undefined;

/** A progress bar. The owner updates it and finally stops it. */
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

  /** @param note text after the bar, for example `loss 2.31, error 34.5 %`; kept until replaced */
  update(done: number, note: string = this.#note): void {
    this.#done = done;
    this.#note = note;
    this.#bar?.update(done);
    // The timer cannot fire while the work blocks the event loop.
    if (this.#timer && !this.#bar && this.#seconds() >= SHOW_AFTER_SECONDS) this.show();
  }

  advance(by = 1, note?: string): void {
    this.update(this.#done + by, note);
  }

  /** Removes the bar for good. */
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
    // cli-progress's signal handler would keep the process alive. Its other default, switching line wrapping off,
    // would outlast a killed process; with `linewrap` it truncates long lines instead.
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

/** Advances the bar. */
export type Tick = (by?: number, note?: string) => void;

/** Shows a bar while the work runs, and removes it when the work ends or fails. */
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

/** Shows how much of the work is done; a new label starts a new bar. */
export type ShowProgress = (label: string, done: number, total: number, note?: string) => void;

/** Bars, one after another, for work that finds its totals on the way. The owner finally stops it. */
export class ProgressBars {
  #label: string | undefined;
  #bar: ProgressBar | undefined;

  readonly show: ShowProgress = (label, done, total, note) => {
    if (label !== this.#label) {
      this.stop();
      this.#label = label;
      this.#bar = new ProgressBar(label, total, { done });
    }
    this.#bar?.update(done, note);
  };

  stop(): void {
    this.#bar?.stop();
    this.#bar = undefined;
  }
}

/** Shows bars while the work runs, and removes them when it ends or fails. */
export async function withBars<T>(work: (show: ShowProgress) => Promise<T>): Promise<T> {
  const bars = new ProgressBars();
  try {
    return await work(bars.show);
  } finally {
    bars.stop();
  }
}

/** Hides the bar while writing. */
export function withoutBar(write: () => void): void {
  const bar = visible;
  bar?.hide();
  write();
  bar?.show();
}

process.on('exit', () => visible?.hide());
