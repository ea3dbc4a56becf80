/** Runs the served model in this browser, until the page is closed. */
import { useEffect, useState } from 'preact/hooks';
import type { WebModel } from '../../../src/browser/index.ts';
import type { ModelInfo } from '../../../src/serve/contract/model-schemas.ts';
import { fetchFile, sentenceOf } from '../api/client.ts';
import { loadLibrary } from './library.ts';

export type LocalState =
  | { readonly state: 'off' }
  /** Bytes of weights downloaded so far, and in total. */
  | { readonly state: 'downloading'; readonly done: number; readonly total: number }
  | { readonly state: 'ready'; readonly model: WebModel }
  /** The model failed and the server does the work again; the message gives the reason. */
  | { readonly state: 'failed'; readonly message: string };

class LocalModel extends EventTarget {
  state: LocalState = { state: 'off' };
  /** Checksum of the requested model; undefined if there is none. */
  checksum: string | undefined;
  #stop = new AbortController();

  /** Downloads a model's weights, unless they are already loaded. */
  async turnOn(info: ModelInfo): Promise<void> {
    if (this.checksum === info.checksum && this.state.state !== 'failed') return;
    this.turnOff();
    this.checksum = info.checksum;
    const { signal } = this.#stop;
    this.#change({ state: 'downloading', done: 0, total: weightBytes(info) });
    try {
      const { openModel } = await loadLibrary();
      const fetchWeights = () => fetchFile('v1/model/weights', { model: info.name }, signal);
      const onProgress = (done: number, total: number) => {
        if (!signal.aborted) this.#change({ state: 'downloading', done, total });
      };
      const model = await openModel(fetchWeights, { onProgress, signal });
      if (signal.aborted) return model.close();
      signal.addEventListener('abort', () => model.close());
      void model.lost.then((error) => !signal.aborted && this.fail(error));
      this.#change({ state: 'ready', model });
    } catch (error) {
      if (!signal.aborted) this.fail(error);
    }
  }

  turnOff(): void {
    this.checksum = undefined;
    this.#end();
    this.#change({ state: 'off' });
  }

  /** Discards the model, so that the server does the work. */
  fail(error: unknown): void {
    this.#end();
    this.#change({ state: 'failed', message: sentenceOf(error) });
  }

  #end(): void {
    this.#stop.abort();
    this.#stop = new AbortController();
  }

  #change(state: LocalState): void {
    this.state = state;
    this.dispatchEvent(new Event('change'));
  }
}

export const localModel = new LocalModel();

/** Size of a model's float32 weights. */
export function weightBytes({ parameters }: ModelInfo): number {
  return 4 * parameters;
}

/** The state of the model in this browser. It replaces any other model that ran here before. */
export function useLocalModel(info: ModelInfo): LocalState {
  const [state, setState] = useState(localModel.state);
  useEffect(() => {
    const update = () => setState(localModel.state);
    localModel.addEventListener('change', update);
    update();
    return () => localModel.removeEventListener('change', update);
  }, []);
  useEffect(() => {
    const { checksum } = localModel;
    if (checksum !== undefined && checksum !== info.checksum) void localModel.turnOn(info);
  }, [info.checksum]);
  return state;
}
