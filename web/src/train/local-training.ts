/** A training on this device, for as long as the page is open, whatever view is shown. */
import { useEffect, useState } from 'preact/hooks';
import type { Metrics, TrainingProgress, TrainingStart, WebTraining } from '../../../src/web/index.ts';
import { sentenceOf } from '../api/client.ts';
import { loadLibrary } from '../in-browser/library.ts';
import { recipeOf, type Settings, type TrainingSource } from './image-source.ts';

export type TrainingState =
  | { readonly state: 'idle' }
  | { readonly state: 'reading'; readonly done: number }
  | { readonly state: 'training'; readonly progress: TrainingProgress | undefined }
  | { readonly state: 'ended'; readonly training: WebTraining }
  | { readonly state: 'failed'; readonly message: string };

/** Milliseconds between two drawings of a progress that may change hundreds of times a second. */
const PAUSE = 100;

class LocalTraining extends EventTarget {
  source: TrainingSource | undefined;
  state: TrainingState = { state: 'idle' };
  start: TrainingStart | undefined;
  lines: readonly Metrics[] = [];
  /** Images that the browser could not decode. */
  unreadable: readonly string[] = [];
  /** Whether there are models that only this page has. */
  #unsaved = false;
  #stop = new AbortController();
  #changed = 0;

  get isBusy(): boolean {
    return this.state.state === 'reading' || this.state.state === 'training';
  }

  choose(source: TrainingSource): void {
    if (this.isBusy || !this.#mayForget()) return;
    this.#forget();
    this.source = source;
    this.#change({ state: 'idle' });
  }

  /** Trains on the chosen images. */
  async run(settings: Settings): Promise<void> {
    const { source } = this;
    if (!source || this.isBusy || !this.#mayForget()) return;
    this.#forget();
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

  /** One of the models is a file now. */
  saved(): void {
    this.#unsaved = false;
    this.#change(this.state);
  }

  #mayForget(): boolean {
    return (
      !this.#unsaved || confirm('The trained models were not saved, and would be lost. Go on without them?')
    );
  }

  /** Ends after the current step; what has been learned so far is kept. */
  stop(): void {
    this.#stop.abort();
  }

  #forget(): void {
    if (this.state.state === 'ended') this.state.training.close();
    this.#unsaved = false;
    this.start = undefined;
    this.lines = [];
    this.unreadable = [];
  }

  #progress(state: TrainingState): void {
    this.state = state;
    if (performance.now() - this.#changed > PAUSE) this.#change(state);
  }

  #change(state: TrainingState): void {
    this.state = state;
    this.#changed = performance.now();
    // The browser asks whether the page is to be left, for as long as something would be lost by it.
    if (this.isBusy || this.#unsaved) addEventListener('beforeunload', keepOpen);
    else removeEventListener('beforeunload', keepOpen);
    this.dispatchEvent(new Event('change'));
  }
}

/** The browser asks whether the page is to be left. */
function keepOpen(event: BeforeUnloadEvent): void {
  event.preventDefault();
}

export const localTraining = new LocalTraining();

/** Draws anew whenever the training changes. */
export function useLocalTraining(): LocalTraining {
  const [, setTurn] = useState(0);
  useEffect(() => {
    const update = () => setTurn((turn) => turn + 1);
    localTraining.addEventListener('change', update);
    return () => localTraining.removeEventListener('change', update);
  }, []);
  return localTraining;
}
