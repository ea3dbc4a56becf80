/** The server's metrics, in Prometheus's format at /metrics. */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

interface MetricSources {
  /** Slots of the admission control in use: images × scales. */
  readonly slots: () => number;
  /** Images, mirror images and crops that wait for their batch. */
  readonly waiting: () => number;
}

export class ServerMetrics {
  readonly registry = new Registry();
  readonly requests = this.#histogram(
    'request_seconds',
    'Time from the complete request to the response, by route and status.',
    ['method', 'route', 'status'],
    [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30],
  );
  readonly batchImages = this.#histogram(
    'batch_images',
    'Number of images, mirror images and crops in a batch.',
    ['model'],
    [1, 2, 4, 8, 16, 32, 64, 128],
  );
  readonly batchSeconds = this.#histogram(
    'batch_seconds',
    'Time from writing a batch to its results, including the wait for the previous batch.',
    ['model'],
    [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5],
  );
  readonly images = this.#counter('images_total', 'Decoded images.');
  readonly refused = this.#counter('refused_total', 'Requests answered with an error, by error code.', [
    'code',
  ]);
  readonly disconnected = this.#counter(
    'clients_left_total',
    'Clients that disconnected before their response.',
  );
  readonly droppedConnections = this.#counter(
    'dropped_connections_total',
    'Connections dropped because the maximum was reached.',
  );
  readonly eventStreams = this.#gauge('event_streams', 'Open event streams of runs.');

  constructor({ slots, waiting }: MetricSources) {
    collectDefaultMetrics({ register: this.registry });
    this.#gauge('places', 'Admitted images × scales.', slots);
    this.#gauge('waiting', 'Inputs that wait for their batch.', waiting);
  }

  #histogram<Label extends string>(name: string, help: string, labelNames: Label[], buckets: number[]) {
    return new Histogram({ ...this.#definition(name, help), labelNames, buckets });
  }

  #counter<Label extends string = never>(name: string, help: string, labelNames: Label[] = []) {
    return new Counter({ ...this.#definition(name, help), labelNames });
  }

  #gauge(name: string, help: string, value?: () => number) {
    const collect = value && {
      collect(this: Gauge) {
        this.set(value());
      },
    };
    return new Gauge({ ...this.#definition(name, help), ...collect });
  }

  #definition(name: string, help: string) {
    return { name: `verydeep_${name}`, help, registers: [this.registry] };
  }
}
