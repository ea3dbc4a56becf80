import { useEffect, useState } from 'preact/hooks';
import type { Inspection, OpenWeightFile } from '../../../src/browser/weight-file.ts';
import { useRequest } from '../api/use-request.ts';
import { LayerTable } from '../layers/layer-table.tsx';
import { count, megabytes, short } from '../ui/display-values.ts';
import { FileButton } from '../ui/file-button.tsx';
import { Answer } from '../ui/notices.tsx';
import { FirstFilters } from './first-filters.tsx';
import { openWeights, totalBytes } from './open-weights.ts';
import { Tensors } from './tensors.tsx';

interface WeightsProps {
  /** Files that were dropped on the page or chosen; none yet. */
  readonly files: readonly File[];
  readonly onFiles: (files: readonly File[]) => void;
}

/** Shows a weight file of any format: its network, its tensors with statistics, and its first filters. */
export function Weights({ files, onFiles }: WeightsProps) {
  const [opened, setOpened] = useState(0); // counts choices, since the same file may be chosen again
  useEffect(() => setOpened((before) => before + 1), [files]);
  const answer = useRequest(files.length > 0 ? `weights ${opened}` : undefined, () => openWeights(files));
  return (
    <>
      <div class="title">
        <h1>Look into a weight file</h1>
        <p class="model">The file is read in this browser and sent nowhere.</p>
      </div>
      <div class={`picker${files.length > 0 ? ' small' : ''}`}>
        {files.length > 0 ? (
          <p class="chosen">
            <strong>{files.map(({ name }) => name).join(', ')}</strong>
            <span>{megabytes(totalBytes(files))}</span>
          </p>
        ) : (
          <div class="invitation">
            <p>Drop a weight file here, or</p>
          </div>
        )}
        <FileButton
          label="Weight files"
          text={files.length > 0 ? 'Choose another file' : 'Choose a file'}
          primary={files.length === 0}
          input={{ multiple: true }}
          onFiles={onFiles}
        />
        {files.length === 0 && (
          <p class="hint">
            safetensors, PyTorch, ONNX, Caffe, Keras, NumPy or MatConvNet. Choose shards, external data and
            .npy files together.
          </p>
        )}
      </div>
      <Answer of={answer} what="the file">
        {(file) => <Described key={opened} file={file} />}
      </Answer>
    </>
  );
}

function Described({ file }: { readonly file: OpenWeightFile }) {
  const { inspection } = file;
  return (
    <div class="columns weights">
      <section class="panel" aria-labelledby="file">
        <h2 id="file">
          {inspection.network ? `Network ${inspection.network.configuration}` : 'Tensors only'}
        </h2>
        <dl class="facts">
          {factsOf(inspection).map(([name, value]) => (
            <div key={name}>
              <dt>{name}</dt>
              <dd>{value}</dd>
            </div>
          ))}
        </dl>
        {inspection.problem && <p class="notice">{sentence(inspection.problem)}</p>}
        {inspection.remarks?.map((remark) => (
          <p class="notice" key={remark}>
            {sentence(remark)}
          </p>
        ))}
        {inspection.labels && (
          <details>
            <summary>{count(inspection.labels.length)} class names</summary>
            <ul class="known-classes">
              {inspection.labels.map((label) => (
                <li key={label}>{label}</li>
              ))}
            </ul>
          </details>
        )}
        <FirstFilters file={file} />
        {inspection.network && file.layers && (
          <>
            <h3>Layers</h3>
            {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard */}
            <section class="scroller whole" tabIndex={0} aria-label="Layers">
              <LayerTable
                model={{
                  config: inspection.network.configuration,
                  crop: inspection.network.crop,
                  layers: file.layers.map((layer) => ({ ...layer, activations: false })),
                }}
              />
            </section>
          </>
        )}
      </section>
      <Tensors file={file} />
    </div>
  );
}

function factsOf({
  description,
  bytes,
  tensors,
  network,
  naming,
  preprocessing,
}: Inspection): [string, string][] {
  const facts: [string, string | undefined][] = [
    ['Format', description],
    ['Size', megabytes(bytes)],
    ['Tensors', count(tensors.length)],
    ['Parameters', network && `${short(network.parameters)} (${count(network.parameters)})`],
    ['Classes', network && count(network.classes)],
    ['Crop', network && `${network.crop} × ${network.crop} pixels`],
    ['Width', network && `× ${network.width}`],
    ['Classifier', network?.head],
    ['Batch normalization', network?.batchNormalized ? 'yes' : undefined],
    ['Names', naming],
    ['Preprocessing', preprocessing],
  ];
  return facts.filter((fact): fact is [string, string] => fact[1] !== undefined);
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}${/[.?!]$/.test(text) ? '' : '.'}`;
}
