import type { Parameters } from '../backend.ts';
import type { Instruments, StageClock } from '../instruments.ts';
import type { Gpu } from './device.ts';
import { hasKernelClock } from './kernel-clock.ts';
import { GpuParameters } from './parameters.ts';
import { GpuProgram } from './program.ts';
import { GpuTrainingProgram } from './training-program.ts';

/** What can be measured on a GPU: no peak, and layers only where the device has a clock for them. */
export function gpuInstruments(gpu: Gpu): Instruments {
  return {
    finish: () => gpu.device.queue.onSubmittedWorkDone(),
    parameterBytes,
    ...(hasKernelClock(gpu) && { stageClock }),
  };
}

const stageClock: StageClock = {
  disturbs: true,
  watch(program, run) {
    if (program instanceof GpuProgram || program instanceof GpuTrainingProgram) return program.watch(run);
    throw new TypeError('watch: this program belongs to another backend');
  },
};

function parameterBytes(parameters: Parameters): number {
  if (parameters instanceof GpuParameters) return parameters.bytes;
  throw new TypeError('parameterBytes: these parameters belong to another backend');
}
