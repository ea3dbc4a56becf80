/** What Prometheus is told. */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

export interface MetricSources {
  /** Images times scales that have been admitted. */
  readonly places: () => number;
  /** Images, mirror images and crops that wait for their batch. */
  readonly waiting: () => number;
}

export class Metrics {
  readonly registry = new Registry();
  readonly requests = new Histogram({
    name: 'verydeep_request_seconds',
    help: 'From the whole request to the answer, by route and status.',
    labelNames: ['method', 'route', 'status'],
    buckets: [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30],
    registers: [this.registry],
  });
  readonly batchImages = new Histogram({
    name: 'verydeep_batch_images',
    help: 'Images, mirror images and crops that were computed together.',
    labelNames: ['model'],
    buckets: [1, 2, 4, 8, 16, 32, 64, 128],
    registers: [this.registry],
  });
  readonly batchSeconds = new Histogram({
    name: 'verydeep_batch_seconds',
    help: 'From the writing of a batch to its results, the wait for the one before included.',
    labelNames: ['model'],
    buckets: [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5],
    registers: [this.registry],
  });
  readonly images = new Counter({
    name: 'verydeep_images_total',
    help: 'Images that were decoded.',
    registers: [this.registry],
  });
  readonly refused = new Counter({
    name: 'verydeep_refused_total',
    help: 'Requests that were answered with an error, by its code.',
    labelNames: ['code'],
    registers: [this.registry],
  });
  readonly left = new Counter({
    name: 'verydeep_clients_left_total',
    help: 'Clients that did not wait for their answer.',
    registers: [this.registry],
  });
  readonly droppedConnections = new Counter({
    name: 'verydeep_dropped_connections_total',
    help: 'Connections beyond the most that are taken.',
    registers: [this.registry],
  });
  readonly eventStreams = new Gauge({
    name: 'verydeep_event_streams',
    help: 'Open streams of a run’s events.',
    registers: [this.registry],
  });

  constructor({ places, waiting }: MetricSources) {
    collectDefaultMetrics({ register: this.registry });
    this.#gauge('verydeep_places', 'Images times scales that have been admitted.', places);
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
