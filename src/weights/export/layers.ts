import type { ConvolutionLayer } from '../../core/layer.ts';
import type { Network } from '../../net/network.ts';

export function isFullyConnected({ name }: ConvolutionLayer): boolean {
  return name.startsWith('fc');
}

/** Convolutions and fully connected layers, in order. */
export function weightLayers(network: Network): ConvolutionLayer[] {
  return network.layers.filter((layer): layer is ConvolutionLayer => layer.kind === 'convolution');
}

/** `[out, in · k · k]`: a fully connected layer's weight as a matrix. */
export function matrixShape({ outChannels, inChannels, kernel }: ConvolutionLayer): [number, number] {
  return [outChannels, inChannels * kernel ** 2];
}

/** The bytes under values. Node runs on little-endian machines, as all these formats are. */
export function bytesOf({ buffer, byteOffset, byteLength }: Float32Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}
