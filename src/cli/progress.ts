/**
 * Progress on stderr: a bar with the time left, for work that takes more than two seconds, only on a terminal.
 */
import { type Options, type Params, SingleBar } from 'cli-progress';
import { type Field, fitFields, formatClock } from './progress-line.ts';

const SHOW_AFTER_SECONDS = 2;
const BAR_WIDTH = 24;

interface ProgressOptions {
  /** Units done in an earlier session (default 0); the time left is estimated from those done since. */
  readonly done?: number;
  /** The line's fields (default: the label with a bar, the time left, and a note). */
  readonly fields?: () => readonly Field[];
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
  readonly #fields: (() => readonly Field[]) | undefined;
  readonly #start: number;
  readonly #startedAt = performance.now();
  readonly #timer: NodeJS.Timeout | undefined;
  #done: number;
  #note = '';
  #bar: SingleBar | undefined;

  constructor(
    label: string,
    total: number,
    { done = 0, fields, stream = process.stderr }: ProgressOptions = {},
  ) {
    this.#fields = fields;
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

  /** Draws the line again at the next opportunity, with what its fields say by then. */
  redraw(): void {
    this.update(this.#done);
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
    // The last column stays free: some terminals wrap when it is written.
    const columns = (this.#stream.columns || 80) - 1;
    if (this.#fields) return fitFields(this.#fields(), columns);
    const percent = `${Math.floor(progress * 100)} %`;
    const others = [
      { text: this.#timeLeft(), rank: 1 },
      { text: this.#note, rank: 2 },
    ];
    const filled = Math.round(Math.min(1, progress) * BAR_WIDTH);
    const bar = '█'.repeat(filled) + '░'.repeat(BAR_WIDTH - filled);
    const withBar = [{ text: `${this.#label} ${bar} ${percent}`, rank: 0 }, ...others];
    const line = fitFields(withBar, Number.POSITIVE_INFINITY);
    return line.length <= columns
      ? line
      : fitFields([{ text: `${this.#label} ${percent}`, rank: 0 }, ...others], columns);
  }

  #timeLeft(): string {
    const rate = (this.#done - this.#start) / this.#seconds();
    return rate > 0 ? `${formatClock((this.#total - this.#done) / rate)} left` : '';
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
    this.#label = undefined;
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
