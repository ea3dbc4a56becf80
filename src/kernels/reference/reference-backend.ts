/**
 * A slow, obvious backend that specifies what the others compute. Every layer is a loop over its equation. Sums are
 * computed in double precision and stored as float32. It blocks the event loop.
 */
import type { Backend, CompileOptions, CompileTrainingOptions, Parameters } from '../backend.ts';
import { canonicalBytes } from '../canonical-parameters.ts';
import { checkAlive, checkChain, checkTrained, checkTraining, foreignParameters } from '../validate.ts';
import { ReferenceParameters } from './reference-parameters.ts';
import { ReferenceProgram, ReferenceTrainingProgram } from './reference-program.ts';

export function createReferenceBackend(): Backend {
  return {
    name: 'reference',
    description: 'TypeScript reference, double-precision sums',
    threads: 1,
    instruments: { finish: async () => {}, parameterBytes: canonicalBytes },
    createParameters: (specs, options) => new ReferenceParameters(specs, options),
    compile,
    compileTraining,
  };
}

async function compile({ layers, inputShape, parameters }: CompileOptions): Promise<ReferenceProgram> {
  const own = ownParameters('compile', parameters);
  return new ReferenceProgram(layers, checkChain('compile', layers, inputShape, own.specs), own);
}

async function compileTraining(options: CompileTrainingOptions): Promise<ReferenceTrainingProgram> {
  const { layers, inputShape, inputGradient = false } = options;
  const own = ownParameters('compileTraining', options.parameters);
  checkTraining('compileTraining', own);
  const shapes = checkChain('compileTraining', layers, inputShape, own.specs);
  checkTrained(layers, own);
  return new ReferenceTrainingProgram(layers, shapes, own, inputGradient);
}

function ownParameters(operation: string, parameters: Parameters): ReferenceParameters {
  if (!(parameters instanceof ReferenceParameters)) throw foreignParameters(operation);
  checkAlive(operation, 'parameters', parameters.disposed);
  return parameters;
}
