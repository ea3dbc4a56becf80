import { useEffect, useState } from 'preact/hooks';
import { Canvas } from '../ui/canvas.tsx';
import { count, plural } from '../ui/display-values.ts';
import type { TrainingSource } from './training-source.ts';

/** Most classes that are shown by name and pictures. */
const SHOWN = 12;
/** Side of a thumbnail in pixels. */
const SIDE = 56;

/** The classes of a source, each with its number of images and the first few of them. */
export function ClassPreviews({ source }: { readonly source: TrainingSource }) {
  const { classes } = source;
  const previews = usePreviews(source);
  return (
    <ul class="class-previews">
      {classes.slice(0, SHOWN).map(([name, images], c) => (
        <li key={name}>
          <span>
            {name} <span class="count hint">{count(images)}</span>
          </span>
          <span class="thumbnails">
            {(previews[c] ?? []).map((image, i) => (
              <Canvas
                key={i}
                label={`Image ${i + 1} of ${name}`}
                width={SIDE}
                height={SIDE}
                inputs={[image]}
                draw={(context) => drawSquare(context, image)}
              />
            ))}
          </span>
        </li>
      ))}
      {classes.length > SHOWN && (
        <li class="hint">and {plural(classes.length - SHOWN, 'more class', 'more classes')}</li>
      )}
    </ul>
  );
}

function usePreviews(source: TrainingSource): readonly (readonly ImageBitmap[])[] {
  const [loaded, setLoaded] = useState<{ source: TrainingSource; images: readonly ImageBitmap[][] }>();
  useEffect(() => {
    let wanted = true;
    void source.previews(SHOWN).then((images) => wanted && setLoaded({ source, images }));
    return () => {
      wanted = false;
    };
  }, [source]);
  return loaded?.source === source ? loaded.images : [];
}

/** The image's center square. */
function drawSquare(context: CanvasRenderingContext2D, image: ImageBitmap): void {
  const side = Math.min(image.width, image.height);
  const [left, top] = [(image.width - side) / 2, (image.height - side) / 2];
  context.drawImage(image, left, top, side, side, 0, 0, SIDE, SIDE);
}
