/// <reference types="@webgpu/types" />
/** Describes an adapter's GPU, and requests a device from it. */
import { UserError } from '../../core/errors.ts';
import type { GpuPrecision } from './shaders/storage-format.ts';

/**
 * Requests all features and limits that the kernels can use, and f16 if the precision needs it.
 * @throws UserError when the precision is f16 and the adapter does not support it.
 */
export function deviceDescriptor(adapter: GPUAdapter, precision: GpuPrecision = 'fp32'): GPUDeviceDescriptor {
  const { limits } = adapter;
  const asked: readonly GPUFeatureName[] = precision === 'f16' ? ['shader-f16'] : [];
  if (!asked.every((feature) => adapter.features.has(feature))) {
    throw new UserError(
      `precision f16 needs a GPU whose driver supports WebGPU's shader-f16, and ${describe(adapter.info)} does not: use fp32, or update the driver`,
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

/** Whether the adapter renders in software, on the CPU. */
export function isSoftwareAdapter(info: GPUAdapterInfo): boolean {
  return info.isFallbackAdapter || /swiftshader|llvmpipe/i.test(describe(info));
}

/** Identifies an adapter, with its driver's version if known. */
export function adapterName({ vendor, architecture, device, description }: GPUAdapterInfo): string {
  return JSON.stringify([vendor, architecture, device, description]);
}

/** A human-readable name. */
export function describe({ vendor, architecture, device, description }: GPUAdapterInfo): string {
  const name = description || device;
  const words = [vendor, architecture, name].filter((word) => word !== '');
  return words.filter((word, at) => words.indexOf(word) === at).join(' ') || 'unnamed GPU';
}
