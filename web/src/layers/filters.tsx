import type { FiltersResponse, ModelInfo } from '../../../src/serve/contract/model-schemas.ts';
import { decodeBase64, getJson } from '../api/client.ts';
import { useRequest } from '../api/use-request.ts';
import { Canvas } from '../ui/canvas.tsx';
import { Answer } from '../ui/notices.tsx';

/** The filters of conv1_1 as small color images. */
export function Filters({ model }: { readonly model: ModelInfo }) {
  const answer = useRequest(`${model.name} conv1_1`, (signal) =>
    getJson<FiltersResponse>('v1/model/filters', { layer: 'conv1_1', model: model.name }, signal),
  );
  return (
    <section class="panel" aria-labelledby="filters">
      <h2 id="filters">
        Filters of <code>conv1_1</code>
      </h2>
      <Answer of={answer} what="the filters">
        {({ shape, filters }) => (
          <>
            <p class="hint">
              The weights of each of the {shape[0]} filters as {shape[3]} × {shape[2]} pixels of red, green
              and blue: the pattern it responds to most. Each filter is scaled to its own range.
            </p>
            <FilterImages shape={shape} bytes={decodeBase64(filters)} />
          </>
        )}
      </Answer>
    </section>
  );
}

interface FilterImagesProps {
  readonly shape: FiltersResponse['shape'];
  /** [filters, height, width, 3] */
  readonly bytes: Uint8Array;
}

/** Filters as small pictures. */
export function FilterImages({ shape, bytes }: FilterImagesProps) {
  return (
    <ul class="filters">
      {filterImages(shape, bytes).map((image, i) => (
        <li key={i}>
          <Canvas
            label={`Filter ${i}`}
            width={image.width}
            height={image.height}
            inputs={[image]}
            draw={(context) => context.putImageData(image, 0, 0)}
          />
        </li>
      ))}
    </ul>
  );
}

/** @param bytes [filters, height, width, 3] */
function filterImages([filters, , height, width]: FiltersResponse['shape'], bytes: Uint8Array): ImageData[] {
  return Array.from({ length: filters }, (_, filter) => {
    const image = new ImageData(width, height);
    for (let i = 0; i < width * height; i++) {
      const at = 3 * (filter * width * height + i);
      image.data.set([bytes[at]!, bytes[at + 1]!, bytes[at + 2]!, 255], 4 * i);
    }
    return image;
  });
}
