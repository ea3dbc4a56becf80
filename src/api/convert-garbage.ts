import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

let collect: (() => void) | undefined;

/**
 * Frees arrays that nobody has any more, now. V8 sees small objects that hold on to tens of megabytes outside
 * of its heap, and takes its time; beside half a gigabyte of weights that time is memory that is not there.
 */
export function collectGarbage(): void {
  if (!collect) {
    setFlagsFromString('--expose-gc');
    collect = runInNewContext('gc') as () => void;
  }
  collect();
}
