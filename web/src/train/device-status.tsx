import type { TrainingDevice } from './training-device.ts';

/** Says what will train, before anything is started. */
export function DeviceStatus({ device }: { readonly device: TrainingDevice }) {
  return (
    <p class="hint" role="status">
      {textOf(device)}
    </p>
  );
}

function textOf(device: TrainingDevice): string {
  switch (device.state) {
    case 'testing':
      return 'Looking for a GPU…';
    case 'gpu':
      return device.isSoftware
        ? `WebGPU works here, but without a GPU (${device.name}): training is slow.`
        : `Your GPU is ready: ${device.name}.`;
    case 'none':
      return `${device.reason} Your CPU will train instead, which is slower: choose a narrow network and few images.`;
  }
}
