/** The served model on this device, for as long as the page is open. */
import { useEffect, useState } from 'preact/hooks';
import type { ModelInfo } from '../../../src/serve/contract/model.ts';
import type { WebModel } from '../../../src/web/index.ts';
import { fetchFile, sentenceOf } from '../api/client.ts';
import { loadLibrary } from './library.ts';

export type LocalState =
  | { readonly state: 'off' }
  | { readonly state: 'fetching'; readonly done: number; readonly total: number }
  | { readonly state: 'ready'; readonly model: WebModel }
  /** The server answers again; the message is a sentence that says why. */
  | { readonly state: 'failed'; readonly message: string };

class LocalModel extends EventTarget {
  state: LocalState = { state: 'off' };
  /** Of the model that is wanted; undefined: none. */
  checksum: string | undefined;
  #stop = new AbortController();

  /** Fetches a model's weights, unless it is the one that is here. */
  async turnOn(info: ModelInfo): Promise<void> {
    if (this.checksum === info.checksum && this.state.state !== 'failed') return;
    this.turnOff();
    this.checksum = info.checksum;
    const { signal } = this.#stop;
    const total = 4 * info.parameters;
    this.#change({ state: 'fetching', done: 0, total });
    try {
      const { openBrowserGpu, openModel } = await loadLibrary();
      const gpu = await openBrowserGpu();
      if (signal.aborted) return gpu.device.destroy();
      signal.addEventListener('abort', () => gpu.device.destroy());
      const file = await fetchFile('v1/model/weights', { model: info.name }, signal);
      const onProgress = (done: number, all: number) => {
        if (!signal.aborted) this.#change({ state: 'fetching', done, total: all });
      };
      const model = await openModel(file, { gpu, onProgress, signal });
      if (signal.aborted) return;
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

  /** Gives up: the server shall answer. */
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

/** What there is of a model on this device. Where another one was wanted here, this one is from now on. */
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
