import type { FiltersResponse, ModelInfo } from '../../../src/serve/contract/model.ts';
import { getJson } from '../api/client.ts';
import { useRequest } from '../api/use-request.ts';
import { Canvas } from '../ui/canvas.tsx';
import { Answer } from '../ui/notices.tsx';
import { bytesOf } from '../api/bytes.ts';

/** The filters of conv1_1 as small colour images. */
export function Filters({ model }: { readonly model: ModelInfo }) {
  const answer = useRequest(`${model.name} conv1_1`, (signal) =>
    getJson<FiltersResponse>('v1/model/filters', { layer: 'conv1_1', model: model.name }, signal),
  );
  return (
    <section class="panel" aria-labelledby="filters">
      <h2 id="filters">
        The filters of <code>conv1_1</code>
      </h2>
      <Answer of={answer} what="the filters">
        {({ shape, filters }) => (
          <>
            <p class="hint">
              What each of the {shape[0]} filters answers to most, {shape[3]} × {shape[2]} pixels in red,
              green and blue; each is shown over its own range.
            </p>
            <ul class="filters">
              {filterImages(shape, bytesOf(filters)).map((image, i) => (
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
          </>
        )}
      </Answer>
    </section>
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
