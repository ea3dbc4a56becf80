/** The metrics of one run, and what comes while it is trained. */
import type {
  MetricsLine,
  MetricsResponse,
  RewindEvent,
  RunState,
  StateEvent,
} from '../../../src/serve/contract/index.ts';
import { addressOf, getJson, sentenceOf } from '../api/client.ts';

export class Feed {
  readonly #path: string;
  readonly #onChange: () => void;
  readonly #onState: (state: RunState) => void;
  readonly #stop = new AbortController();
  #events: EventSource | undefined;
  #lines: MetricsLine[] = [];
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

  /** Whether lines are being waited for. */
  get isLive(): boolean {
    return this.#events !== undefined && this.#events.readyState !== EventSource.CLOSED;
  }

  /** @param live whether to stay connected */
  async start(live: boolean): Promise<void> {
    try {
      const { lines, next } = await getJson<MetricsResponse>(
        `${this.#path}/metrics`,
        { from: 0 },
        this.#stop.signal,
      );
      this.#lines = [...lines];
      if (live) this.#listen(next);
    } catch (error) {
      if (this.#stop.signal.aborted) return;
      this.failure = sentenceOf(error);
    }
    this.#onChange();
  }

  stop(): void {
    this.#stop.abort();
    this.#events?.close();
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
      if (state === 'running') return;
      events.close(); // else the browser would connect again and again
    });
    events.addEventListener('error', () => this.#onChange());
  }
}
