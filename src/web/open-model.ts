/** A model in a browser: its weights streamed from an address to the visitor's GPU. */
import { messageOf, UserError } from '../core/errors.ts';
import type { Parameters } from '../kernels/backend.ts';
import { openBrowserGpu } from '../kernels/webgpu/browser-gpu.ts';
import type { Gpu } from '../kernels/webgpu/device.ts';
import { createWebGpuBackend, type WebGpuBackend } from '../kernels/webgpu/webgpu-backend.ts';
import { indexOfNonFinite, notFinite } from '../weights/foreign/finite.ts';
import { checkTensors, OPTIMIZER_PREFIX } from '../weights/model.ts';
import { type ModelFacts, parseModelMetadata } from '../weights/model-metadata.ts';
import { streamSafetensors } from '../weights/safetensors-stream.ts';
import { WebModel } from './web-model.ts';

export interface OpenOptions {
  /** While the weights arrive: bytes so far, and in all. */
  readonly onProgress?: (bytesRead: number, bytesTotal: number) => void;
  readonly signal?: AbortSignal;
  /** For `fetch`: headers such as Authorization, credentials. */
  readonly request?: Omit<RequestInit, 'signal'>;
  /** A device that is open already (default: the visitor's own is opened). */
  readonly gpu?: Gpu;
}

/**
 * Opens a model file of verydeep's own format. Each tensor goes to the GPU as soon as it has arrived, so that no more
 * than the largest is in the page's memory.
 * @param source an address, or a file of the visitor's
 * @throws UserError when there is no GPU, the address does not answer, or the file is no model of ours.
 */
export async function openModel(source: string | URL | Blob, options: OpenOptions = {}): Promise<WebModel> {
  const backend = await createWebGpuBackend(options.gpu ?? (await openBrowserGpu()));
  const name = source instanceof Blob ? 'the file' : String(source);
  const stream = source instanceof Blob ? source.stream() : await fetchStream(source, options);
  return readInto(backend, name, stream as ReadableStream<Uint8Array>, options);
}

async function fetchStream(source: string | URL, { request, signal }: OpenOptions) {
  let response: Response;
  try {
    response = await fetch(source, { ...request, signal: signal ?? null });
  } catch (error) {
    signal?.throwIfAborted();
    throw new UserError(`${source} could not be fetched (${messageOf(error)})`, { cause: error });
  }
  if (!response.ok || !response.body) {
    throw new UserError(`${source} could not be fetched: the server answers with status ${response.status}`);
  }
  return response.body;
}

async function readInto(
  backend: WebGpuBackend,
  name: string,
  stream: ReadableStream<Uint8Array>,
  { onProgress, signal }: OpenOptions,
): Promise<WebModel> {
  let opened: { readonly facts: ModelFacts; readonly parameters: Parameters } | undefined;
  try {
    await streamSafetensors(name, stream, {
      select: (tensor) => !tensor.startsWith(OPTIMIZER_PREFIX),
      onProgress,
      onHeader: ({ metadata, entries }) => {
        const facts = parseModelMetadata(name, metadata);
        checkTensors(name, facts.network, new Map(entries.map((entry) => [entry.name, entry])));
        const { parameters } = facts.network;
        opened = { facts, parameters: backend.createParameters(parameters, { training: false }) };
      },
      onTensor: async ({ name: tensor, data }) => {
        signal?.throwIfAborted();
        const at = indexOfNonFinite(data);
        if (at >= 0) throw notFinite(name, tensor, data[at]!, at);
        await opened!.parameters.write('values', tensor, data);
      },
    });
  } catch (error) {
    opened?.parameters.dispose();
    signal?.throwIfAborted();
    throw error;
  }
  return new WebModel(backend, opened!.facts, opened!.parameters, name);
}
