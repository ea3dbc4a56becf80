/// <reference types="@webgpu/types" />
/**
 * A device of WebGPU, with what every program on it shares: compiled pipelines, limits, and whether it is still
 * there. Nothing here knows whether it runs in Node or in a browser.
 */
import { UserError } from '../../core/errors.ts';
import { type GpuPrecision, type Storage, storageHead, storageOf } from './shaders/storage.ts';
import { type CandidateTiles, candidateTiles, type TileChoice, tilesFor } from './tiles.ts';
import { TileLines, type TileMemory, Tuning } from './tuning.ts';

/** How many threads elementwise kernels have a workgroup; every device of WebGPU can run 256. */
export const GROUP = 256;

/** More workgroups than this go into a second dimension; WebGPU allows 65,535 in each. */
const ROW_OF_GROUPS = 32_768;

const AFTER_LOSS =
  'start the command again, a training with --resume, which goes on from its last checkpoint; if it happens again, use a smaller batch or --backend native';

export interface GpuLimits {
  /** Largest buffer that one kernel can see, in bytes. */
  readonly bindingBytes: number;
  readonly bufferBytes: number;
  /** Shared memory of a workgroup, in bytes. */
  readonly workgroupBytes: number;
}

export interface GpuOptions {
  /** What layers and factors are kept as (default `fp32`); see shaders/storage.ts. */
  readonly precision?: GpuPrecision;
  /** Takes the device for one that can bind no more than so many bytes: for tests of weights in several panels. */
  readonly bindingBytes?: number;
  /** What to tell people to do when the device is lost (default: what helps on the command line). */
  readonly afterLoss?: string;
  /** Whether reductions go by subgroups (default: where the device has them, and is no software: there they cost time). */
  readonly subgroups?: boolean;
  /** How products are cut where nothing was measured; default: by what the device is. */
  readonly tiles?: TileChoice;
  /**
   * Where it is remembered which kernels are fastest. `off`: nothing is measured. Default: `off` on a software device
   * and where `tiles` are given, else a memory that ends with the device.
   */
  readonly schedules?: 'off' | TileMemory;
  /** What is measured against the usual; default: by what the device is. */
  readonly candidates?: CandidateTiles;
  /** What may be spent on measuring, in seconds. */
  readonly tuningSeconds?: number;
}

/** What stands in a shader's `var<storage>` or `var<uniform>`. */
export type Binding = GPUBuffer | GPUBufferBinding;

export class Gpu {
  readonly device: GPUDevice;
  readonly limits: GpuLimits;
  /** For people: the adapter's vendor and name. */
  readonly description: string;
  /** Whether it is a processor that pretends to be a GPU. */
  readonly isSoftware: boolean;
  readonly precision: GpuPrecision;
  readonly kept: Storage;
  readonly subgroups: boolean;
  readonly tiles: TileChoice;
  readonly candidates: CandidateTiles;
  /** Undefined: the usual kernels are taken. */
  readonly tuning: Tuning | undefined;
  readonly #pipelines = new Map<string, Promise<GPUComputePipeline>>();
  readonly #head: string;
  readonly #afterLoss: string;
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
    this.kept = storageOf(this.precision);
    this.subgroups = options.subgroups ?? (!this.isSoftware && device.features.has('subgroups'));
    this.tiles = options.tiles ?? tilesFor(this.isSoftware);
    this.candidates = options.candidates ?? candidateTiles(this.isSoftware, this.limits);
    this.#head = `${this.subgroups ? 'enable subgroups;\n' : ''}${storageHead(this.precision)}`;
    this.tuning = tuningFor(this.isSoftware, options);
    this.#afterLoss = options.afterLoss ?? AFTER_LOSS;
    void device.lost.then(({ message, reason }) => {
      this.#lost = message || reason || 'no reason given';
    });
  }

  /** @throws UserError once the device is gone. */
  checkThere(): void {
    if (this.#lost !== undefined) throw this.lossError();
  }

  /** What to tell people when the device went away under a computation. */
  lossError(cause?: unknown): UserError {
    const reason = (this.#lost ?? 'it stopped answering').replaceAll(/\s+/g, ' ').trim();
    return new UserError(`the GPU was lost (${reason}): ${this.#afterLoss}`, { cause });
  }

  /** Shaders are compiled once a device, off the thread where it can. */
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
   * A buffer of float32 values, all zero, that kernels read and write.
   * @throws UserError when the device cannot bind so large a one.
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

  uniform(bytes: ArrayBuffer): GPUBuffer {
    const buffer = this.device.createBuffer({
      size: Math.ceil(bytes.byteLength / 16) * 16,
      usage: GPU_USAGE.UNIFORM | GPU_USAGE.COPY_DST,
    });
    this.device.queue.writeBuffer(buffer, 0, bytes);
    return buffer;
  }

  /**
   * Makes buffers and bind groups, and says so when the GPU's memory does not suffice for them.
   * @throws UserError when it does not
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
        `${operation}: the GPU's memory does not suffice: use a smaller batch (--micro-batch in training), smaller images or a narrower network`,
      );
    }
    if (invalid) throw new Error(`${operation}: ${invalid.message}`);
    return made as T;
  }
}

/** The numbers of GPUBufferUsage and GPUMapMode, which Node has no globals for. */
export const GPU_USAGE = {
  MAP_READ: 0x1,
  COPY_SRC: 0x4,
  COPY_DST: 0x8,
  UNIFORM: 0x40,
  STORAGE: 0x80,
  QUERY_RESOLVE: 0x200,
} as const;
export const MAP_READ = 0x1;

/** Workgroups for so many elements of an elementwise kernel, folded as `element()` in the shaders unfolds them. */
export function groupsFor(elements: number, perGroup = GROUP): [x: number, y: number] {
  const groups = Math.max(1, Math.ceil(elements / perGroup));
  const x = Math.min(groups, ROW_OF_GROUPS);
  return [x, Math.ceil(groups / x)];
}

/**
 * Takes everything of the adapter that the kernels can use, f16 where it is asked for.
 * @throws UserError where it is asked for and not there.
 */
export function deviceDescriptor(adapter: GPUAdapter, precision: GpuPrecision = 'fp32'): GPUDeviceDescriptor {
  const { limits } = adapter;
  const asked: readonly GPUFeatureName[] = precision === 'f16' ? ['shader-f16'] : [];
  if (!asked.every((feature) => adapter.features.has(feature))) {
    throw new UserError(
      `precision f16 needs a GPU whose driver has WebGPU's shader-f16, which ${describe(adapter.info)} has not: leave it at fp32, or update the driver`,
    );
  }
  const wanted: readonly GPUFeatureName[] = ['subgroups', 'timestamp-query'];
  return {
    requiredFeatures: [...asked, ...wanted.filter((feature) => adapter.features.has(feature))],
    requiredLimits: {
      maxBufferSize: limits.maxBufferSize,
      maxStorageBufferBindingSize: limits.maxStorageBufferBindingSize,
      maxComputeWorkgroupStorageSize: limits.maxComputeWorkgroupStorageSize,
    },
  };
}

/** A software device is for tests, which want the same bits each time: there nothing is measured but on demand. */
function tuningFor(isSoftware: boolean, options: GpuOptions): Tuning | undefined {
  const memory = options.schedules ?? (isSoftware || options.tiles ? 'off' : new TileLines());
  return memory === 'off' ? undefined : new Tuning(memory, options.tuningSeconds);
}

/** Whether it is a processor that pretends to be a GPU. */
export function isSoftwareAdapter(info: GPUAdapterInfo): boolean {
  return info.isFallbackAdapter || /swiftshader|llvmpipe/i.test(describe(info));
}

/** What tells adapters apart, and a driver from its next version where it says so. */
export function adapterName({ vendor, architecture, device, description }: GPUAdapterInfo): string {
  return JSON.stringify([vendor, architecture, device, description]);
}

function describe({ vendor, architecture, device, description }: GPUAdapterInfo): string {
  const name = description || device;
  const words = [vendor, architecture, name].filter((word) => word !== '');
  return words.filter((word, at) => words.indexOf(word) === at).join(' ') || 'unnamed GPU';
}

function megabytes(bytes: number): string {
  return `${Math.ceil(bytes / 2 ** 20).toLocaleString('en-US')} MiB`;
}
