/** Progress of work that is done in many places, such as opening a data set, for a terminal to show it. */
import { channel } from 'node:diagnostics_channel';

export interface WorkProgress {
  /** What is being done: `listing photos`. */
  readonly label: string;
  readonly done: number;
  readonly total: number;
}

const work = channel('verydeep:progress');

/** Reports progress. The last report of a work has `done` equal to `total`, also if the work failed. */
export function reportProgress(progress: WorkProgress): void {
  work.publish(progress);
}

/** Calls the listener with all progress of this process. @returns a function that stops this */
export function watchProgress(listener: (progress: WorkProgress) => void): () => void {
  const watch = (message: unknown) => listener(message as WorkProgress);
  work.subscribe(watch);
  return () => void work.unsubscribe(watch);
}
