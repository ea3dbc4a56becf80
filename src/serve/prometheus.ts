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
  readonly requests = new Histogram({
    name: 'verydeep_request_seconds',
    help: 'Time from the complete request to the response, by route and status.',
    labelNames: ['method', 'route', 'status'],
    buckets: [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30],
    registers: [this.registry],
  });
  readonly batchImages = new Histogram({
    name: 'verydeep_batch_images',
    help: 'Number of images, mirror images and crops in a batch.',
    labelNames: ['model'],
    buckets: [1, 2, 4, 8, 16, 32, 64, 128],
    registers: [this.registry],
  });
  readonly batchSeconds = new Histogram({
    name: 'verydeep_batch_seconds',
    help: 'Time from writing a batch to its results, including the wait for the previous batch.',
    labelNames: ['model'],
    buckets: [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5],
    registers: [this.registry],
  });
  readonly images = new Counter({
    name: 'verydeep_images_total',
    help: 'Decoded images.',
    registers: [this.registry],
  });
  readonly refused = new Counter({
    name: 'verydeep_refused_total',
    help: 'Requests answered with an error, by error code.',
    labelNames: ['code'],
    registers: [this.registry],
  });
  readonly disconnected = new Counter({
    name: 'verydeep_clients_left_total',
    help: 'Clients that disconnected before their response.',
    registers: [this.registry],
  });
  readonly droppedConnections = new Counter({
    name: 'verydeep_dropped_connections_total',
    help: 'Connections dropped because the maximum was reached.',
    registers: [this.registry],
  });
  readonly eventStreams = new Gauge({
    name: 'verydeep_event_streams',
    help: 'Open event streams of runs.',
    registers: [this.registry],
  });

  constructor({ slots, waiting }: MetricSources) {
    collectDefaultMetrics({ register: this.registry });
    this.#gauge('verydeep_places', 'Admitted images × scales.', slots);
    this.#gauge('verydeep_waiting', 'Inputs that wait for their batch.', waiting);
  }

  #gauge(name: string, help: string, value: () => number): void {
    new Gauge({
      name,
      help,
      registers: [this.registry],
      collect() {
        this.set(value());
      },
    });
  }
}
