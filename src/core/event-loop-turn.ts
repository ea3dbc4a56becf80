/** Longest turn in milliseconds: half a frame at 60 Hz. */
const LONGEST = 8;

/** One turn of the event loop: lets other tasks run during long work. */
export class EventLoopTurn {
  #since = performance.now();

  /** Lets other tasks run if enough time has passed. Await it between pieces of work. */
  async yieldIfDue(): Promise<void> {
    if (performance.now() - this.#since < LONGEST) return;
    await nextTask();
    this.#since = performance.now();
  }
}

/** The part of MessagePort used here; Node and browsers declare different types. */
interface Port {
  onmessage: (() => void) | null;
  postMessage(message: undefined): void;
  close(): void;
}
const { setImmediate: immediately } = globalThis as { setImmediate?: (task: () => void) => void };

/** In browsers, posts a message instead of setting a timer: timers of hidden pages are delayed by a second. */
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
