/** The metrics of one run, and what comes while it is trained. */
import type {
  MetricsLine,
  MetricsResponse,
  RewindEvent,
  RunState,
  StateEvent,
} from '../../../src/serve/contract/runs.ts';
import { addressOf, getJson, sentenceOf } from '../api/client.ts';

const PAUSE = 3000; // milliseconds until a failed request is made again

export class Feed {
  readonly #path: string;
  readonly #onChange: () => void;
  readonly #onState: (state: RunState) => void;
  readonly #stop = new AbortController();
  #events: EventSource | undefined;
  #timer: number | undefined;
  #lines: MetricsLine[] = [];
  /** Why there is nothing (yet). */
  failure: string | undefined;

  /**
   * @param onChange called when there is something new
   * @param onState called when the run's state is known or changes
   */
  constructor(id: string, onChange: () => void, onState: (state: RunState) => void) {
    this.#path = `v1/runs/${encodeURIComponent(id)}`;
    this.#onChange = onChange;
    this.#onState = onState;
  }

  get lines(): readonly MetricsLine[] {
    return this.#lines;
  }

  /** Whether the server is connected and sends what comes. */
  get isLive(): boolean {
    return this.#events?.readyState === EventSource.OPEN;
  }

  /** @param live whether to stay connected */
  async start(live: boolean): Promise<void> {
    try {
      const query = { from: 0 };
      const { lines, next } = await getJson<MetricsResponse>(
        `${this.#path}/metrics`,
        query,
        this.#stop.signal,
      );
      this.#lines = [...lines];
      this.failure = undefined;
      if (live) this.#listen(next);
    } catch (error) {
      if (this.#stop.signal.aborted) return;
      this.failure = sentenceOf(error);
      if (live) this.#startAgain();
    }
    this.#onChange();
  }

  stop(): void {
    this.#stop.abort();
    this.#events?.close();
    clearTimeout(this.#timer);
  }

  #startAgain(): void {
    this.#timer = window.setTimeout(() => void this.start(true), PAUSE);
  }

  #listen(from: number): void {
    if (this.#stop.signal.aborted) return;
    const events = new EventSource(addressOf(`${this.#path}/events`, { from }));
    this.#events = events;
    const on = <T>(name: string, take: (data: T) => void) =>
      events.addEventListener(name, (event) => {
        take(JSON.parse((event as MessageEvent<string>).data) as T);
        this.#onChange();
      });
    on<MetricsLine>('metrics', (line) => this.#lines.push(line));
    on<RewindEvent>('rewind', ({ next }) => this.#lines.splice(next));
    on<StateEvent>('state', ({ state }) => {
      this.#onState(state);
      if (state !== 'running') events.close(); // else the browser would connect again and again
    });
    events.addEventListener('open', this.#onChange);
    events.addEventListener('error', () => {
      // A lost connection the browser restores by itself, from the last line on; a refusal it does not.
      if (events.readyState === EventSource.CLOSED) this.#startAgain();
      this.#onChange();
    });
  }
}
