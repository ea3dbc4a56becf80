/** The progress line of training, such as `epoch 3/20 · step 41/125 · 182 img/s · 1:41 left · train 46.9 % · val 50.5 % (best)`. */
import { formatCount, formatPercent } from '../../report/format.ts';
import type { TrainingPhase } from '../../train/session.ts';
import type { TrainingProgress } from '../../train/trainer-hooks.ts';
import { type Field, formatClock } from '../progress-line.ts';

/** The weight of the past in running means over steps. */
const MEMORY = 0.95;

interface Schedule {
  /** Iterations done in earlier sessions. */
  readonly iteration: number;
  readonly totalIterations: number;
  /** Default: as many as the iterations reach. */
  readonly epochs?: number;
  readonly trainingImages: number;
  readonly batch: number;
}

/** Keeps what the line shows. */
export class TrainingLine {
  readonly #schedule: Schedule;
  #iteration: number;
  #phase: TrainingPhase = 'training';
  #validated: string | undefined;
  #validation: { readonly error: number; readonly isBest: boolean } | undefined;
  readonly #error = new RunningMean();
  readonly #stepSeconds = new RunningMean();
  #stepStartedAt = performance.now();
  /** The first step of this session, and when it and the latest ended. */
  #first: { readonly iteration: number; readonly at: number } | undefined;
  #lastStepAt = Number.NaN;

  constructor(schedule: Schedule) {
    this.#schedule = schedule;
    this.#iteration = schedule.iteration;
  }

  step({ iteration, top1Error }: Pick<TrainingProgress, 'iteration' | 'top1Error'>): void {
    const now = performance.now();
    this.#error.add(top1Error);
    // The first step includes the start of the loader and of the program.
    if (iteration > this.#schedule.iteration + 1) this.#stepSeconds.add((now - this.#stepStartedAt) / 1000);
    if (!this.#first) this.#first = { iteration, at: now };
    this.#lastStepAt = now;
    this.#stepStartedAt = now;
    this.#iteration = iteration;
  }

  /** Seconds of a validation or a checkpoint do not count as a step's. */
  enter(phase: TrainingPhase): void {
    this.#phase = phase;
    this.#validated = undefined;
    this.#stepStartedAt = performance.now();
  }

  validating(done: number, total: number): void {
    this.#validated = `${formatCount(done)} of ${formatCount(total)}`;
  }

  validated(error: number, isBest: boolean): void {
    this.#validation = { error, isBest };
  }

  get fields(): Field[] {
    return [
      { text: this.#epoch(), rank: 0 },
      ...this.#activity(),
      { text: this.#timeLeft(), rank: 1 },
      { text: this.#error.count > 0 ? `train ${formatPercent(this.#error.value)} %` : '', rank: 3 },
      { text: this.#validationError(), rank: 2 },
    ];
  }

  /** An epoch ends with the step that takes its last image, as validations do. */
  #epoch(): string {
    const { totalIterations, trainingImages, batch, epochs } = this.#schedule;
    const total = Math.max(1, Math.ceil(epochs ?? (totalIterations * batch) / trainingImages));
    return `epoch ${Math.min(this.#epochNumber(), total)}/${total}`;
  }

  #epochNumber(): number {
    const { trainingImages, batch } = this.#schedule;
    return Math.floor((Math.max(0, this.#iteration - 1) * batch) / trainingImages) + 1;
  }

  #activity(): Field[] {
    if (this.#phase === 'saving') return [{ text: 'saving the checkpoint', rank: 1 }];
    if (this.#phase === 'validating')
      return [{ text: `validating ${this.#validated ?? ''}`.trim(), rank: 1 }];
    const { totalIterations, trainingImages, batch } = this.#schedule;
    // A batch of more than an epoch leaves no steps to count in it.
    const start =
      batch >= trainingImages ? 0 : Math.ceil(((this.#epochNumber() - 1) * trainingImages) / batch);
    const last = Math.ceil((this.#epochNumber() * trainingImages) / batch);
    const end = batch >= trainingImages ? totalIterations : Math.min(totalIterations, last);
    const speed = batch / this.#stepSeconds.value;
    return [
      {
        text: `step ${formatCount(Math.max(0, this.#iteration - start))}/${formatCount(end - start)}`,
        rank: 4,
      },
      {
        text:
          this.#stepSeconds.count > 0 ? `${speed < 10 ? speed.toFixed(1) : formatCount(speed)} img/s` : '',
        rank: 5,
      },
    ];
  }

  /** By the mean speed since the first step, which includes validations; it counts down during a step. */
  #timeLeft(): string {
    const done = this.#first ? this.#iteration - this.#first.iteration : 0;
    if (!this.#first || done < 1) return '';
    const perStep = (this.#lastStepAt - this.#first.at) / 1000 / done;
    const left = (this.#schedule.totalIterations - this.#iteration) * perStep;
    return `${formatClock(left - (performance.now() - this.#lastStepAt) / 1000)} left`;
  }

  #validationError(): string {
    if (!this.#validation) return '';
    const { error, isBest } = this.#validation;
    return `val ${formatPercent(error)} %${isBest ? ' (best)' : ''}`;
  }
}

/** A mean over all values at first, later mostly over the last twenty. */
class RunningMean {
  count = 0;
  value = Number.NaN;

  add(value: number): void {
    const share = Math.max(1 - MEMORY, 1 / ++this.count);
    this.value = this.count === 1 ? value : this.value + share * (value - this.value);
  }
}
