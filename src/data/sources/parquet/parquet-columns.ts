/** Which columns of a Parquet file hold the images and the labels, and the names of the classes. */
import type { SchemaTree } from 'hyparquet';
import { UserError } from '../../../core/errors.ts';
import type { ChosenColumns } from '../lists/list-columns.ts';
import { isLabelName } from '../lists/list-columns.ts';
import { type ParquetFile, pathIn } from './parquet-file.ts';

export interface ParquetColumns {
  /** The path of the column of the bytes: `image`, `bytes`. */
  readonly image: readonly string[];
  /** Undefined if there are no labels. */
  readonly label?: string;
  /** Whether the column is taken for that of the labels because it is the only other one. */
  readonly isGuess: boolean;
  /** Class names in label order, if the file says that the labels are class numbers. */
  readonly classes?: readonly string[];
}

/** A column's type in Hugging Face's description of a data set. */
interface Feature {
  readonly _type?: string;
  readonly names?: readonly string[];
}

/**
 * Chooses the columns by Hugging Face's types in the file's metadata, otherwise by type and name.
 * @throws UserError naming the columns when the choice is not clear
 */
export function parquetColumns(file: ParquetFile, chosen: ChosenColumns = {}): ParquetColumns {
  const { path, schema } = file;
  const features = featuresOf(file);
  const columns = schema.children.map(({ element }) => element.name);
  for (const name of [chosen.image, chosen.label]) {
    if (name !== undefined && !columns.includes(name)) {
      throw new UserError(`${path} has no column ${name}; its columns are ${columns.join(', ')}`);
    }
  }
  const choose = (what: string, candidates: readonly string[], choice?: string): string | undefined => {
    if (choice !== undefined || candidates.length <= 1) return choice ?? candidates[0];
    throw new UserError(
      `${path}: it is unclear which column ${what} (${candidates.join(', ')}); choose with --columns IMAGE,LABEL`,
    );
  };
  const ofType = (type: string) => columns.filter((name) => features[name]?._type === type);
  const images = ofType('Image');
  const bytes = schema.children
    .filter((node) => bytesIn(node) !== undefined)
    .map(({ element }) => element.name);
  const image = choose('has the images', images.length > 0 ? images : bytes, chosen.image);
  const column = image === undefined ? undefined : bytesIn(pathIn(schema, [image])!.at(-1)!);
  if (image === undefined || column === undefined) {
    throw new UserError(
      `${path} has no column with the bytes of images (its columns are ${columns.join(', ')}); give a data set with the images in it`,
    );
  }
  const labels = ofType('ClassLabel').filter((name) => name !== image);
  const named = columns.filter((name) => name !== image && isLabelName(name));
  const known = labels.length > 0 ? labels : named;
  const others = columns.filter((name) => name !== image);
  const isGuess = chosen.label === undefined && known.length === 0 && others.length === 1;
  const label = choose('has the labels', isGuess ? others : known, chosen.label);
  const names = label === undefined ? undefined : features[label]?.names;
  return { image: column, label, isGuess, classes: names };
}

/** The column of bytes: the node itself, or `bytes` in Hugging Face's struct of bytes and path. */
function bytesIn({ element, children }: SchemaTree): string[] | undefined {
  const isBytes = ({ element: { type, logical_type, converted_type, repetition_type } }: SchemaTree) =>
    type === 'BYTE_ARRAY' &&
    logical_type === undefined &&
    converted_type === undefined &&
    repetition_type !== 'REPEATED';
  if (children.length === 0)
    return isBytes({ element, children, count: 0, path: [] }) ? [element.name] : undefined;
  const inner = children.find((child) => child.element.name === 'bytes');
  const isStruct = element.repetition_type !== 'REPEATED';
  return isStruct && inner !== undefined && isBytes(inner) ? [element.name, 'bytes'] : undefined;
}

function featuresOf({ metadata }: ParquetFile): Readonly<Record<string, Feature>> {
  const text = metadata.key_value_metadata?.find(({ key }) => key === 'huggingface')?.value;
  if (text === undefined) return {};
  try {
    return JSON.parse(text)?.info?.features ?? {};
  } catch {
    // Without them, names and types of the columns decide.
    return {};
  }
}
