/** In milliseconds: half of what a page has for a picture. */
const LONGEST = 8;

/** For long work where other things go on as well: it lets them have their turn in between. */
export class Turn {
  #since = performance.now();

  /** Lets others run, if it has been long. Await it between pieces of work. */
  async giveWay(): Promise<void> {
    if (performance.now() - this.#since < LONGEST) return;
    await nextTask();
    this.#since = performance.now();
  }
}

/** As much as is used here of what only Node, or both Node and browsers, have. */
interface Port {
  onmessage: (() => void) | null;
  postMessage(message: undefined): void;
  close(): void;
}
const { setImmediate: immediately } = globalThis as { setImmediate?: (task: () => void) => void };

/** In a browser by a message, since browsers hold timers of hidden pages back for a second. */
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
