import { useState } from 'preact/hooks';
import { sentenceOf } from '../api/client.ts';
import { count, plural } from '../ui/display-values.ts';
import { FileButton } from '../ui/file-button.tsx';
import { Failure } from '../ui/notices.tsx';
import { Camera } from './camera.tsx';
import { ClassPreviews } from './class-previews.tsx';
import { demoSource, folderSource, type TrainingSource } from './training-source.ts';

interface ImageChoiceProps {
  readonly source: TrainingSource | undefined;
  /** Name of the server's demo images, if it has some. */
  readonly demoImages: string | undefined;
  readonly onSource: (source: TrainingSource) => void;
  readonly disabled: boolean;
}

/** Makes a file input accept a folder. */
const FOLDER = { webkitdirectory: true, multiple: true };

/** Display names of data sets, by the usual names of their folders. */
const DATA_SETS: Readonly<Record<string, string>> = {
  'fashion-mnist': 'Fashion-MNIST',
  mnist: 'MNIST',
  'cifar-10': 'CIFAR-10',
};

/** The choice of training images: a folder the visitor chooses, the camera, or the server's demo images. */
export function ImageChoice({ source, demoImages, onSource, disabled }: ImageChoiceProps) {
  const [failure, setFailure] = useState<string>();
  const take = async (choice: Promise<TrainingSource>) => {
    setFailure(undefined);
    try {
      onSource(await choice);
    } catch (error) {
      setFailure(sentenceOf(error));
    }
  };
  return (
    <section class="panel" aria-labelledby="images">
      <div class="panel-head">
        <h2 id="images">Images</h2>
        <FileButton
          label="Image folder"
          text={source ? 'Choose another folder' : 'Choose a folder'}
          primary={!source}
          disabled={disabled}
          input={FOLDER}
          onFiles={(files) => void take(folderSource(files))}
        />
      </div>
      <p class="hint">
        A folder with one subfolder of JPEG, PNG or WebP images per class, at least two classes. Images stay
        on your device.
      </p>
      <div class="image-sources">
        {demoImages !== undefined && (
          <button type="button" class="quiet" disabled={disabled} onClick={() => void take(demoSource())}>
            Try with {DATA_SETS[demoImages] ?? demoImages}
          </button>
        )}
        <Camera onSource={(taken) => void take(Promise.resolve(taken))} disabled={disabled} />
      </div>
      {source && <ChosenImages source={source} />}
      {failure && <Failure message={failure} />}
    </section>
  );
}

function ChosenImages({ source }: { readonly source: TrainingSource }) {
  const { name, classes, trainingImages, validationImages } = source;
  return (
    <div role="status" class="training-images">
      <p>
        <strong>{name}</strong>: {plural(trainingImages, 'image')} in{' '}
        {plural(classes.length, 'class', 'classes')}
        {validationImages > 0
          ? `, plus ${count(validationImages)} for validation`
          : '; a tenth is held out for validation'}
      </p>
      <ClassPreviews source={source} />
    </div>
  );
}
