/** Opens a model in a browser: weights stream from an address to the visitor's GPU, or to WebAssembly's memory. */
import { messageOf, UserError } from '../core/errors.ts';
import type { Parameters } from '../kernels/backend.ts';
import { checkPredictsClasses, type ModelFacts, parseModelMetadata } from '../weights/model/metadata.ts';
import { checkTensors, OPTIMIZER_PREFIX } from '../weights/model/model.ts';
import { checkFinite } from '../weights/weight-errors.ts';
import { type DeviceOptions, type OpenDevice, openDevice } from './open-device.ts';
import { streamSafetensors } from './safetensors-stream.ts';
import { WebModel } from './web-model.ts';

export interface OpenOptions extends DeviceOptions {
  /** Called while the weights arrive, with the bytes so far and in total. */
  readonly onProgress?: (bytesRead: number, bytesTotal: number) => void;
  /** Cancels the download; `openModel` then throws the signal's reason. */
  readonly signal?: AbortSignal;
  /** Options for `fetch`, such as headers and credentials (default: none). */
  readonly request?: Omit<RequestInit, 'signal'>;
}

export type ModelSource = string | URL | Response | Blob | (() => Promise<Response>);

/**
 * Opens a verydeep model file. Each tensor goes to the device as soon as it has arrived, so the page's memory never holds
 * more than the largest one, or 16 MB of it on the CPU.
 * @param source an address, an unread response, a function that fetches one once a device is open, or a file that the
 *   visitor chose
 * @throws UserError when nothing can compute, the address cannot be fetched, or the file is not a verydeep model
 * @example
 * const model = await openModel('/models/best.safetensors', {
 *   onProgress: (done, total) => console.log(`${done} of ${total} bytes`),
 * });
 * const { top } = await model.predict(document.querySelector('canvas'));
 * console.log(top[0].label, top[0].probability);
 * model.close();
 */
export async function openModel(source: ModelSource, options: OpenOptions = {}): Promise<WebModel> {
  const device = await openDevice(options);
  try {
    const { name, stream } = await streamOf(source, options);
    return await readInto(device, name, stream, options);
  } catch (error) {
    device.release();
    throw error;
  }
}

/** 16 MB. */
const PART_VALUES = 2 ** 22;

async function streamOf(
  given: ModelSource,
  options: OpenOptions,
): Promise<{ name: string; stream: ReadableStream<Uint8Array> }> {
  const source = typeof given === 'function' ? await given() : given;
  if (source instanceof Blob) return { name: 'the file', stream: source.stream() };
  const response = source instanceof Response ? source : await fetchFrom(source, options);
  const name = source instanceof Response ? source.url : String(source);
  if (!response.ok || !response.body) {
    throw new UserError(`${name} could not be fetched: the server returned status ${response.status}`);
  }
  return { name, stream: response.body };
}

async function fetchFrom(source: string | URL, { request, signal }: OpenOptions): Promise<Response> {
  try {
    return await fetch(source, { ...request, signal: signal ?? null });
  } catch (error) {
    signal?.throwIfAborted();
    throw new UserError(`${source} could not be fetched (${messageOf(error)})`, { cause: error });
  }
}

async function readInto(
  device: OpenDevice,
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
        checkPredictsClasses(name, facts);
        checkTensors(name, facts.network, new Map(entries.map((entry) => [entry.name, entry])));
        const { parameters } = facts.network;
        opened = { facts, parameters: device.backend.createParameters(parameters, { training: false }) };
      },
      // Only WebAssembly takes parts, so that its memory is not needed beside that of a whole fc6.
      most: device.name === 'wasm' ? PART_VALUES : undefined,
      onTensor: async ({ name: tensor, data }, offset) => {
        signal?.throwIfAborted();
        checkFinite(name, tensor, data);
        const { parameters } = opened!;
        await (parameters.writePart?.(tensor, data, offset) ?? parameters.write('values', tensor, data));
      },
    });
  } catch (error) {
    opened?.parameters.dispose();
    signal?.throwIfAborted();
    throw error;
  }
  return new WebModel({ device, ...opened!, name, onClose: () => device.release() });
}
