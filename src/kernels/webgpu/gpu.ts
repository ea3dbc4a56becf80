/// <reference types="@webgpu/types" />
/**
 * A WebGPU device, with what all of its programs share: compiled pipelines, limits, and whether the device was lost. It
 * works in Node and in browsers.
 */
import { UserError } from '../../core/errors.ts';
import { describe, isSoftwareAdapter } from './adapter.ts';
import { type GpuPrecision, STORAGE, type Storage, storageHead } from './shaders/storage-format.ts';
import { type CandidateTiles, candidateTiles, type TileChoice, tilesFor } from './tuning/candidate-tiles.ts';
import { TileLines, type TileMemory, Tuning } from './tuning/remembered-tiles.ts';

/** Threads per workgroup of elementwise kernels; every WebGPU device can run 256. */
export const GROUP = 256;

/** More workgroups than this go into a second dimension. WebGPU allows 65,535 in each dimension. */
const ROW_OF_GROUPS = 32_768;

const AFTER_LOSS =
  'start the command again (a training run with --resume continues from its last checkpoint); if it happens again, use a smaller batch or --backend native';

export interface GpuLimits {
  /** Largest binding of a kernel, in bytes. */
  readonly bindingBytes: number;
  /** Largest buffer, in bytes. */
  readonly bufferBytes: number;
  /** Shared memory of a workgroup, in bytes. */
  readonly workgroupBytes: number;
}

export interface GpuOptions {
  /** Number format in which activations, their gradients, and the factors of products are stored. Default: `fp32`. */
  readonly precision?: GpuPrecision;
  /** Lowers the largest binding, in bytes, so that tests can split weights into several panels. */
  readonly bindingBytes?: number;
  /** Names the device in error messages: `GPU 1`. Default: `the GPU`. */
  readonly label?: string;
  /** The remedy in the error message when the device is lost. Default: advice for the command line. */
  readonly afterLoss?: string;
  /** Whether reductions use subgroups. Default: true if supported, except on software devices, where it is slower. */
  readonly subgroups?: boolean;
  /** Tiles of products that have not been measured. Default: depends on whether the device is software. */
  readonly tiles?: TileChoice;
  /**
   * Where to remember the fastest kernels. With `off`, nothing is measured. Default: `off` on a software device and if
   * `tiles` are given; otherwise they are remembered for as long as the device exists.
   */
  readonly schedules?: 'off' | TileMemory;
  /** Tiles to compare with the default ones. Default: depends on whether the device is software. */
  readonly candidates?: CandidateTiles;
  /** Time limit of all measurements, in seconds. Default: 3. */
  readonly tuningSeconds?: number;
}

/** A resource bound to a shader's `var<storage>` or `var<uniform>`. */
export type Binding = GPUBuffer | GPUBufferBinding;

/**
 * A GPU with its compiled shaders. Models can share one; a model without one opens its own and frees it with `close`.
 *
 * @example
 * const gpu = await openBrowserGpu();
 * const model = await openModel('/model.safetensors', { gpu });
 * // When no model needs it anymore:
 * gpu.device.destroy();
 */
export class Gpu {
  readonly device: GPUDevice;
  readonly limits: GpuLimits;
  /** Human-readable: the adapter's vendor and name. */
  readonly description: string;
  /** Whether this is software rendering on the CPU. */
  readonly isSoftware: boolean;
  readonly precision: GpuPrecision;
  /** How activations and factors are stored. */
  readonly kept: Storage;
  readonly subgroups: boolean;
  readonly tiles: TileChoice;
  readonly candidates: CandidateTiles;
  /** Undefined if programs use the default kernels. */
  readonly tuning: Tuning | undefined;
  readonly #pipelines = new Map<string, Promise<GPUComputePipeline>>();
  readonly #head: string;
  readonly #afterLoss: string;
  readonly #label: string;
  #lost: string | undefined;

  constructor(device: GPUDevice, info: GPUAdapterInfo, options: GpuOptions = {}) {
    const { limits } = device;
    this.device = device;
    this.limits = {
      bindingBytes: Math.min(
        limits.maxStorageBufferBindingSize,
        limits.maxBufferSize,
        options.bindingBytes ?? Infinity,
      ),
      bufferBytes: limits.maxBufferSize,
      workgroupBytes: limits.maxComputeWorkgroupStorageSize,
    };
    this.description = describe(info);
    this.isSoftware = isSoftwareAdapter(info);
    this.precision = options.precision ?? 'fp32';
    this.kept = STORAGE[this.precision];
    this.subgroups = options.subgroups ?? (!this.isSoftware && device.features.has('subgroups'));
    this.tiles = options.tiles ?? tilesFor(this.isSoftware);
    this.candidates = options.candidates ?? candidateTiles(this.isSoftware, this.limits.workgroupBytes);
    this.#head = `${this.subgroups ? 'enable subgroups;\n' : ''}${storageHead(this.precision)}`;
    this.tuning = tuningFor(this.isSoftware, options);
    this.#afterLoss = options.afterLoss ?? AFTER_LOSS;
    this.#label = options.label ?? 'the GPU';
    void device.lost.then(({ message, reason }) => {
      this.#lost = message || reason || 'no reason given';
    });
  }

  /** @throws UserError once the device is lost. */
  checkThere(): void {
    if (this.#lost !== undefined) throw this.lossError();
  }

  /** The error to throw when the device is lost during a computation. */
  lossError(cause?: unknown): UserError {
    const reason = (this.#lost ?? 'it stopped answering').replaceAll(/\s+/g, ' ').trim();
    const name = `${this.#label} (${this.description})`;
    return new UserError(`${name} was lost (${reason}): ${this.#afterLoss}`, { cause });
  }

  /** Compiles each shader once, in the background where the device can. */
  pipeline(code: string): Promise<GPUComputePipeline> {
    let pipeline = this.#pipelines.get(code);
    if (!pipeline) {
      const module = this.device.createShaderModule({ code: this.#head + code });
      pipeline = this.device.createComputePipelineAsync({
        layout: 'auto',
        compute: { module, entryPoint: 'main' },
      });
      this.#pipelines.set(code, pipeline);
    }
    return pipeline;
  }

  bindGroup(pipeline: GPUComputePipeline, bindings: readonly Binding[]): GPUBindGroup {
    return this.device.createBindGroup({
      layout: pipeline.getBindGroupLayout(0),
      entries: bindings.map((resource, binding) => ({
        binding,
        resource: 'buffer' in resource ? resource : { buffer: resource },
      })),
    });
  }

  /**
   * Allocates a buffer of float32 values, all zero, that kernels read and write.
   * @throws UserError when the buffer is larger than the device can bind.
   */
  storage(what: string, values: number): GPUBuffer {
    this.checkThere();
    const size = Math.max(16, 4 * values);
    const largest = Math.min(this.limits.bindingBytes, this.limits.bufferBytes);
    if (size > largest) {
      throw new UserError(
        `${what} takes ${megabytes(size)}, but this GPU's largest buffer is ${megabytes(largest)}: use a smaller batch (--micro-batch in training), smaller images or a narrower network`,
      );
    }
    return this.device.createBuffer({
      size,
      usage: GPU_USAGE.STORAGE | GPU_USAGE.COPY_SRC | GPU_USAGE.COPY_DST,
    });
  }

  /** Encodes one command buffer and submits it. */
  submit(encode: (encoder: GPUCommandEncoder) => void): void {
    const encoder = this.device.createCommandEncoder();
    encode(encoder);
    this.device.queue.submit([encoder.finish()]);
  }

  uniform(bytes: ArrayBuffer): GPUBuffer {
    const buffer = this.device.createBuffer({
      size: Math.ceil(bytes.byteLength / 16) * 16,
      usage: GPU_USAGE.UNIFORM | GPU_USAGE.COPY_DST,
    });
    this.device.queue.writeBuffer(buffer, 0, bytes);
    return buffer;
  }

  /**
   * Calls `make`, which creates buffers and bind groups.
   * @throws UserError when the GPU runs out of memory.
   */
  async allocating<T>(operation: string, make: () => T): Promise<T> {
    this.device.pushErrorScope('out-of-memory');
    this.device.pushErrorScope('validation');
    let made: T | undefined;
    let thrown: unknown;
    try {
      made = make();
    } catch (error) {
      thrown = error;
    }
    const scopes = [this.device.popErrorScope(), this.device.popErrorScope()];
    const [invalid, outOfMemory] = await Promise.all(scopes);
    if (thrown !== undefined) throw thrown;
    if (outOfMemory) {
      throw new UserError(
        `${operation}: the GPU is out of memory: use a smaller batch (--micro-batch in training), smaller images or a narrower network`,
      );
    }
    if (invalid) throw new Error(`${operation}: ${invalid.message}`);
    return made as T;
  }
}

/** The flags of GPUBufferUsage; Node does not define the global. */
export const GPU_USAGE = {
  MAP_READ: 0x1,
  COPY_SRC: 0x4,
  COPY_DST: 0x8,
  UNIFORM: 0x40,
  STORAGE: 0x80,
  QUERY_RESOLVE: 0x200,
} as const;

/** Workgroups of an elementwise kernel, in two dimensions; `element()` in the shaders computes the index. */
export function groupsFor(elements: number, perGroup = GROUP): [x: number, y: number] {
  const groups = Math.max(1, Math.ceil(elements / perGroup));
  const x = Math.min(groups, ROW_OF_GROUPS);
  return [x, Math.ceil(groups / x)];
}

/** A software device measures only on request, as it is for tests, which need the same bits each time. */
function tuningFor(isSoftware: boolean, options: GpuOptions): Tuning | undefined {
  const memory = options.schedules ?? (isSoftware || options.tiles ? 'off' : new TileLines());
  return memory === 'off' ? undefined : new Tuning(memory, options.tuningSeconds);
}

function megabytes(bytes: number): string {
  return `${Math.ceil(bytes / 2 ** 20).toLocaleString('en-US')} MiB`;
}
