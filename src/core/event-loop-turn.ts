/** In milliseconds: half the time of a frame at 60 Hz. */
const LONGEST = 8;

/** Lets other tasks run during long work. */
export class Turn {
  #since = performance.now();

  /** Lets other tasks run if enough time has passed. Await it between pieces of work. */
  async giveWay(): Promise<void> {
    if (performance.now() - this.#since < LONGEST) return;
    await nextTask();
    this.#since = performance.now();
  }
}

/** The part of MessagePort that is used here; Node and browsers declare different types. */
interface Port {
  onmessage: (() => void) | null;
  postMessage(message: undefined): void;
  close(): void;
}
const { setImmediate: immediately } = globalThis as { setImmediate?: (task: () => void) => void };

/** Uses a message in browsers, which delay the timers of hidden pages by a second. */
function nextTask(): Promise<void> {
  return new Promise((resolve) => {
    if (immediately) {
      immediately(resolve);
      return;
    }
    const { port1, port2 } = new MessageChannel() as unknown as { port1: Port; port2: Port };
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(undefined);
  });
}
