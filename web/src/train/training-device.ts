/** What would train in this browser, tested before anything is started. */
import { useEffect, useState } from 'preact/hooks';
import { sentenceOf } from '../api/client.ts';
import { loadLibrary } from '../in-browser/library.ts';

export type TrainingDevice =
  | { readonly state: 'testing' }
  | { readonly state: 'gpu'; readonly name: string; readonly isSoftware: boolean }
  /** The reason is a sentence. */
  | { readonly state: 'none'; readonly reason: string };

/** Tested once for all visits to the view. */
let tested: Promise<TrainingDevice> | undefined;

/** Opens the visitor's GPU for a moment. */
export function useTrainingDevice(): TrainingDevice {
  const [device, setDevice] = useState<TrainingDevice>({ state: 'testing' });
  useEffect(() => {
    tested ??= test();
    let wanted = true;
    void tested.then((found) => wanted && setDevice(found));
    return () => {
      wanted = false;
    };
  }, []);
  return device;
}

async function test(): Promise<TrainingDevice> {
  try {
    const { openBrowserGpu } = await loadLibrary();
    const gpu = await openBrowserGpu();
    const { description: name, isSoftware } = gpu;
    gpu.device.destroy();
    return { state: 'gpu', name, isSoftware };
  } catch (error) {
    return { state: 'none', reason: sentenceOf(error) };
  }
}
