import { UserError } from '../../core/errors.ts';
import { readableTypes } from '../tensors/element-types.ts';

/** A tensor of a kind that weights do not have. */
export function unreadable(path: string, tensor: string, type: string): UserError {
  return new UserError(
    `${path}: tensor ${tensor} holds ${type}, and only ${readableTypes.join(', ')} can be read; write it anew in one of those`,
  );
}

/** A file that breaks its format. @param format `PyTorch`, `ONNX`, … */
export function damaged(path: string, format: string, what: string): UserError {
  return new UserError(
    `${path} is not a whole ${format} file: ${what}; copy or download it again, or write it anew`,
  );
}
