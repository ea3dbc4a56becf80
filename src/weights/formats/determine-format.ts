/** Which format a file has, or what it is instead. */
import { basename, extname } from 'node:path';
import { UserError } from '../../core/errors.ts';
import type { RandomAccessFile } from '../../core/random-access-file.ts';
import { ZipReader } from '../containers/zip/zip-reader.ts';
import { hasSignature, LOOKALIKE_BYTES, lookalikeOf, type Signature } from './signatures.ts';

/** How a format is recognized. */
export interface FormatMarks {
  /** Extensions of files that can be read, in lower case. */
  readonly extensions: readonly string[];
  readonly signatures: readonly Signature[];
  /** Whether a zip archive with these entries has the format. */
  readonly isArchive?: (names: readonly string[]) => boolean;
}

/**
 * Decides by a file's first bytes, a zip archive's entries or, if they are ambiguous, by the extension.
 * @throws UserError that says what the file is instead, or lists the extensions.
 */
export async function determineFormat<Name extends string>(
  file: RandomAccessFile,
  entries: readonly (readonly [Name, FormatMarks])[],
): Promise<Name> {
  const { path, size } = file;
  if (size === 0) throw new UserError(`${path} is an empty file; copy or download it again`);
  const start = await file.read(0, Math.min(size, LOOKALIKE_BYTES));
  const lookalike = lookalikeOf(start);
  if (lookalike) throw new UserError(`${path} is ${lookalike.description}; ${lookalike.remedy}`);
  if (hasSignature(start, 'zip')) return archiveFormat(file, entries);
  const extension = extname(path).toLowerCase();
  const byContent = entries.filter(([, { signatures }]) =>
    signatures.some((signature) => hasSignature(start, signature)),
  );
  const byExtension = entries.filter(([, { extensions }]) => extensions.includes(extension));
  const both = byContent.filter((entry) => byExtension.includes(entry));
  const [found] = [...both, ...byContent, ...byExtension];
  if (found) return found[0];
  throw unrecognized(path, entries);
}

async function archiveFormat<Name extends string>(
  file: RandomAccessFile,
  entries: readonly (readonly [Name, FormatMarks])[],
): Promise<Name> {
  const { names } = await ZipReader.open(file);
  const found = entries.find(([, { isArchive }]) => isArchive?.(names));
  if (found) return found[0];
  const extensions = new Set(entries.flatMap(([, marks]) => marks.extensions));
  const inside = names.find((name) => extensions.has(extname(name).toLowerCase()));
  throw new UserError(
    `${file.path} is a zip archive but not a model: it holds ${names.slice(0, 3).join(', ') || 'nothing'}${names.length > 3 ? ', …' : ''}; ${inside === undefined ? 'give a model file' : `unpack it and give ${inside}`}`,
  );
}

const TENSORFLOW: readonly (readonly [RegExp, string])[] = [
  [
    /\.(ckpt|ckpt-\d+)(\.(index|meta|data-\d{5}-of-\d{5}))?$|^checkpoint$|\.data-\d{5}-of-\d{5}$/,
    'a TensorFlow checkpoint',
  ],
  [/\.(pb|pbtxt)$/, 'a TensorFlow graph'],
];

/** How to save what TensorFlow wrote, in Python. */
const AS_ARRAYS =
  'r = tf.train.load_checkpoint("model.ckpt"); numpy.savez("model.npz", **{n: r.get_tensor(n) for n in r.get_variable_to_shape_map()})';

function unrecognized(path: string, entries: readonly (readonly [string, FormatMarks])[]): UserError {
  const tensorflow = TENSORFLOW.find(([pattern]) => pattern.test(basename(path)))?.[1];
  if (tensorflow !== undefined) {
    return new UserError(
      `${path} is ${tensorflow}, which is not supported; save its arrays in Python: ${AS_ARRAYS}`,
    );
  }
  const known = entries.flatMap(([, { extensions }]) => extensions).join(', ');
  return new UserError(
    `the format of ${path} is not recognized; if it is a weight file, give it its own extension: ${known}`,
  );
}

/** The error for a folder that holds no weights. */
export function notAModelFolder(path: string, names: readonly string[]): UserError {
  if (names.includes('saved_model.pb')) {
    return new UserError(
      `${path} is a TensorFlow SavedModel, which is not supported; save the Keras model in Python: tf.keras.models.load_model("${basename(path)}").save("model.h5")`,
    );
  }
  if (names.includes('checkpoint')) {
    return new UserError(
      `${path} is a folder of TensorFlow checkpoints, which are not supported; save the arrays in Python: ${AS_ARRAYS}`,
    );
  }
  if (names.includes('best.safetensors')) {
    return new UserError(
      `${path} is a run folder; give its model, ${path.replace(/\/+$/, '')}/best.safetensors`,
    );
  }
  return new UserError(
    `${path} is a folder without model.safetensors, pytorch_model.bin, their index, or .npy files; give a model file`,
  );
}
