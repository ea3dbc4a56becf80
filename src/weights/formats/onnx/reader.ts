import { RandomAccessFile } from '../../../core/random-access-file.ts';
import { WireReader } from '../../containers/protobuf/wire.ts';
import type { WeightFile } from '../weight-file.ts';
import { readOnnxModel } from './graph.ts';
import { onnxNetwork } from './network.ts';
import { ExternalFiles } from './tensor.ts';

/** Opens an ONNX model. @throws UserError when the file makes none. */
export async function openOnnx(path: string): Promise<WeightFile> {
  const file = await RandomAccessFile.open(path);
  const files = new ExternalFiles(path);
  const close = async () => {
    await files.close();
    await file.close();
  };
  try {
    const model = await readOnnxModel(new WireReader(file, 'ONNX'), files);
    return {
      path,
      format: 'onnx',
      description: model.producer ? `ONNX, made by ${model.producer}` : 'ONNX',
      bytes: file.size + (await files.totalSize()),
      tensors: [...model.tensors.values()],
      metadata: model.metadata,
      network: () => onnxNetwork(path, model),
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}
