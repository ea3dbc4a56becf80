/** Receives the metrics of one run, live during training. */
import type {
  MetricsLine,
  MetricsResponse,
  RewindEvent,
  RunState,
  StateEvent,
} from '../../../src/serve/contract/run-schemas.ts';
import { addressOf, getJson, sentenceOf } from '../api/client.ts';

const RETRY_AFTER = 3000; // milliseconds

export class MetricsStream {
  readonly #path: string;
  readonly #onChange: () => void;
  readonly #onState: (state: RunState) => void;
  readonly #stop = new AbortController();
  #events: EventSource | undefined;
  #timer: number | undefined;
  #lines: MetricsLine[] = [];
  /** Why there are no metrics (yet). */
  failure: string | undefined;

  /**
   * @param onChange called when there are new metrics, or the connection changes
   * @param onState called with the run's initial state, and whenever it changes
   */
  constructor(id: string, onChange: () => void, onState: (state: RunState) => void) {
    this.#path = `v1/runs/${encodeURIComponent(id)}`;
    this.#onChange = onChange;
    this.#onState = onState;
  }

  get lines(): readonly MetricsLine[] {
    return this.#lines;
  }

  /** Whether a connection delivers new metrics. */
  get isLive(): boolean {
    return this.#events?.readyState === EventSource.OPEN;
  }

  /** @param live whether to stay connected */
  async start(live: boolean): Promise<void> {
    try {
      const path = `${this.#path}/metrics`;
      const { lines, next } = await getJson<MetricsResponse>(path, { from: 0 }, this.#stop.signal);
      this.#lines = [...lines];
      this.failure = undefined;
      if (live) this.#listen(next);
    } catch (error) {
      if (this.#stop.signal.aborted) return;
      this.failure = sentenceOf(error);
      if (live) this.#retry();
    }
    this.#onChange();
  }

  stop(): void {
    this.#stop.abort();
    this.#events?.close();
    clearTimeout(this.#timer);
  }

  #retry(): void {
    this.#timer = window.setTimeout(() => void this.start(true), RETRY_AFTER);
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
      if (state !== 'running') events.close(); // otherwise the browser would reconnect forever
    });
    events.addEventListener('open', this.#onChange);
    events.addEventListener('error', () => {
      // The browser restores a lost connection itself, but not one that the server refused.
      if (events.readyState === EventSource.CLOSED) this.#retry();
      this.#onChange();
    });
  }
}
