import { useState } from 'preact/hooks';
import type { WebModel } from '../../../src/browser/index.ts';
import { useRequest } from '../api/use-request.ts';
import type { Picture } from '../state/user-files.ts';
import { Canvas } from '../ui/canvas.tsx';
import { percent } from '../ui/display-values.ts';
import { Answer } from '../ui/notices.tsx';
import { PicturePicker } from '../ui/picture-picker.tsx';
import { TopClasses } from '../ui/value-bars.tsx';

/** Nothing is sent, so only the page's memory limits an image. */
const LIMITS = { imageBytes: 64 * 2 ** 20, pixels: 1e8, rescaledPixels: 2 ** 21, images: 1 };
const SIDE = 200;

/** Classifies an image with a model that was just trained in this browser. */
export function TryModel({ model, name }: { readonly model: WebModel; readonly name: string }) {
  const [picture, setPicture] = useState<Picture>();
  const answer = useRequest(picture && `${name} ${picture.id}`, () =>
    model.predict(picture!.pixels, { protocol: 'center', top: 5 }),
  );
  return (
    <section class="try-model" aria-labelledby="try-model">
      <h3 id="try-model">Try it now</h3>
      <PicturePicker
        picture={picture}
        limits={LIMITS}
        onPicture={setPicture}
        hint={`The ${name} classifies it here; the image stays on your device.`}
      />
      {picture && (
        <div class="tried">
          <Canvas
            label={`Image ${picture.name}`}
            width={SIDE}
            height={SIDE}
            inputs={[picture.id]}
            draw={(context) => drawWhole(context, picture.pixels)}
          />
          <Answer of={answer} what="the prediction">
            {({ top }) => (
              <div>
                <p role="status">
                  <strong>{top[0]!.label}</strong> {percent(top[0]!.probability)}
                </p>
                <TopClasses label="Prediction of the trained model" top={[...top]} />
              </div>
            )}
          </Answer>
        </div>
      )}
    </section>
  );
}

function drawWhole(context: CanvasRenderingContext2D, image: ImageBitmap): void {
  const factor = SIDE / Math.max(image.width, image.height);
  const [width, height] = [image.width * factor, image.height * factor];
  context.drawImage(image, (SIDE - width) / 2, (SIDE - height) / 2, width, height);
}
