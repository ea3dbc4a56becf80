/** Milliseconds after which a page would seem to hang if nothing else could run. */
const LONGEST = 30;

/** For long work in a page: lets it draw and answer in between. */
export class Breaks {
  #since = performance.now();

  /** Waits for what else there is to do, if that has waited for long. */
  async take(): Promise<void> {
    if (performance.now() - this.#since < LONGEST) return;
    await nextTask();
    this.#since = performance.now();
  }
}

/** As much of a browser's MessagePort as is used here. */
interface Port {
  onmessage: (() => void) | null;
  postMessage(message: undefined): void;
  close(): void;
}

/** By a message, since browsers hold timers of hidden pages back for a second. */
function nextTask(): Promise<void> {
  const { port1, port2 } = new MessageChannel() as unknown as { port1: Port; port2: Port };
  return new Promise((resolve) => {
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(undefined);
  });
}
