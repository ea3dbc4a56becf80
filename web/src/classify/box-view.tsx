import type { PredictResponse } from '../../../src/serve/contract/predict-schemas.ts';
import { Frames, Stage } from '../draw/stage.tsx';
import type { Picture } from '../state/user-files.ts';

interface BoxViewProps {
  readonly picture: Picture;
  /** The server's answer, with a box for each class. */
  readonly image: PredictResponse['images'][number];
}

/** The box of the most probable class over the picture; those of the others are faint. */
export function BoxView({ picture, image }: BoxViewProps) {
  const frames = image.top.flatMap(({ box }, rank) =>
    box
      ? [
          {
            x: box.left,
            y: box.top,
            width: box.right - box.left,
            height: box.bottom - box.top,
            strong: rank === 0,
          },
        ]
      : [],
  );
  const { label, box } = image.top[0]!;
  const [left, top, right, bottom] = [box!.left, box!.top, box!.right, box!.bottom].map(Math.round);
  return (
    <>
      <Stage picture={picture} label={`Box of ${label} on ${picture.name}`}>
        <Frames within={image} frames={frames.toReversed()} />
      </Stage>
      <p class="reading">
        {label}: from {left}, {top} to {right}, {bottom} (px). The boxes of other classes are faint.
      </p>
    </>
  );
}
