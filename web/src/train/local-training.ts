/** Trains in this browser. Training continues while other views are shown and ends when the page is closed. */
import { useEffect, useState } from 'preact/hooks';
import type { Metrics, TrainingProgress, TrainingStart, WebTraining } from '../../../src/browser/index.ts';
import { sentenceOf } from '../api/client.ts';
import { loadLibrary } from '../in-browser/library.ts';
import { type RecipeSettings, recipeOf } from './recipe-settings.ts';
import type { TrainingSource } from './training-source.ts';

export type TrainingState =
  | { readonly state: 'idle' }
  | { readonly state: 'reading'; readonly done: number }
  | { readonly state: 'training'; readonly progress: TrainingProgress | undefined }
  | { readonly state: 'ended'; readonly training: WebTraining }
  | { readonly state: 'failed'; readonly message: string };

/** Milliseconds between updates of the page: progress may change hundreds of times per second. */
const UPDATE_EVERY = 100;

class LocalTraining extends EventTarget {
  source: TrainingSource | undefined;
  state: TrainingState = { state: 'idle' };
  start: TrainingStart | undefined;
  lines: readonly Metrics[] = [];
  /** Images that the browser could not decode. */
  unreadable: readonly string[] = [];
  /** Whether there are trained models of which none was saved. */
  #unsaved = false;
  #stop = new AbortController();
  #changed = 0;

  get isBusy(): boolean {
    return this.state.state === 'reading' || this.state.state === 'training';
  }

  choose(source: TrainingSource): void {
    if (this.isBusy || !this.#mayDiscard()) return;
    this.#discard();
    this.source = source;
    this.#change({ state: 'idle' });
  }

  /** Trains on the chosen images. */
  async run(settings: RecipeSettings): Promise<void> {
    const { source } = this;
    if (!source || this.isBusy || !this.#mayDiscard()) return;
    this.#discard();
    this.#stop = new AbortController();
    const { signal } = this.#stop;
    let read = 0;
    this.#change({ state: 'reading', done: read });
    try {
      const { trainModel } = await loadLibrary();
      const { training, validation } = source.open((name) => {
        this.unreadable = [...this.unreadable, name];
      });
      const counted = async function* <T>(images: AsyncIterable<T>, onImage: () => void) {
        for await (const image of images) {
          signal.throwIfAborted();
          onImage();
          yield image;
        }
      };
      const onImage = () => this.#progress({ state: 'reading', done: ++read });
      const ended = await trainModel({
        images: counted(training, onImage),
        validation: validation && counted(validation, onImage),
        recipe: recipeOf(settings, source),
        data: source.name,
        labels: source.labels,
        signal,
        onStart: (start) => {
          this.start = start;
          this.#change({ state: 'training', progress: undefined });
        },
        onMetrics: (line) => {
          this.lines = [...this.lines, line];
        },
        onIteration: (progress) => this.#progress({ state: 'training', progress }),
      });
      this.#unsaved = true;
      this.#change({ state: 'ended', training: ended });
    } catch (error) {
      if (signal.aborted) this.#change({ state: 'idle' });
      else this.#change({ state: 'failed', message: sentenceOf(error) });
    }
  }

  /** Called when one of the models has been saved. */
  saved(): void {
    this.#unsaved = false;
    this.#change(this.state);
  }

  #mayDiscard(): boolean {
    return (
      !this.#unsaved ||
      confirm('The trained models have not been saved and will be lost. Continue without saving?')
    );
  }

  /** Ends training after the current iteration and keeps the model so far. */
  stop(): void {
    this.#stop.abort();
  }

  #discard(): void {
    if (this.state.state === 'ended') this.state.training.close();
    this.#unsaved = false;
    this.start = undefined;
    this.lines = [];
    this.unreadable = [];
  }

  #progress(state: TrainingState): void {
    this.state = state;
    if (performance.now() - this.#changed > UPDATE_EVERY) this.#change(state);
  }

  #change(state: TrainingState): void {
    this.state = state;
    this.#changed = performance.now();
    // The browser asks before it leaves the page if something would be lost.
    if (this.isBusy || this.#unsaved) addEventListener('beforeunload', confirmLeaving);
    else removeEventListener('beforeunload', confirmLeaving);
    this.dispatchEvent(new Event('change'));
  }
}

function confirmLeaving(event: BeforeUnloadEvent): void {
  event.preventDefault();
}

export const localTraining = new LocalTraining();

/** Renders again whenever the training's state changes. */
export function useLocalTraining(): LocalTraining {
  const [, setTurn] = useState(0);
  useEffect(() => {
    const update = () => setTurn((turn) => turn + 1);
    localTraining.addEventListener('change', update);
    return () => localTraining.removeEventListener('change', update);
  }, []);
  return localTraining;
}
