/** What a model is, and how one is read from any format and written to our own. */
export { type ModelFacts, modelMetadata, parseModelMetadata } from './metadata.ts';
export {
  describe,
  type Model,
  modelFromFile,
  OPTIMIZER_PREFIX,
  writeModel,
  writeModelPiecewise,
} from './model-safetensors.ts';
export { type ReadModelOptions, readModel } from './read-model.ts';
