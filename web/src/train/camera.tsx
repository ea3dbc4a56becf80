import { useEffect, useRef, useState } from 'preact/hooks';
import { sentenceOf } from '../api/client.ts';
import { plural } from '../ui/display-values.ts';
import { Failure } from '../ui/notices.tsx';
import { cameraSource, type TrainingSource } from './training-source.ts';

interface CameraProps {
  readonly onSource: (source: TrainingSource) => void;
  readonly disabled: boolean;
}

interface CameraClass {
  readonly name: string;
  readonly images: readonly ImageBitmap[];
}

/** Photos that one press takes, and the milliseconds between them. */
const BURST = 10;
const BETWEEN = 150;
/** Smaller side of a photo in pixels: enough for the largest crop. */
const SIDE = 160;

/** Takes training images with the camera, class by class. They stay in the page's memory. */
export function Camera({ onSource, disabled }: CameraProps) {
  const [stream, setStream] = useState<MediaStream>();
  const [failure, setFailure] = useState<string>();
  const start = async () => {
    setFailure(undefined);
    try {
      if (!navigator.mediaDevices)
        throw new Error('browsers allow the camera only over https or from this machine');
      setStream(await navigator.mediaDevices.getUserMedia({ video: { width: 640, height: 480 } }));
    } catch (error) {
      setFailure(`The camera could not be opened: ${sentenceOf(error)}`);
    }
  };
  const stop = () => setStream(undefined);
  useEffect(() => () => stopTracks(stream), [stream]);
  return (
    <>
      {stream ? (
        <Studio stream={stream} onSource={onSource} onStop={stop} />
      ) : (
        <button type="button" class="quiet" disabled={disabled} onClick={() => void start()}>
          Use the camera
        </button>
      )}
      {failure && <Failure message={failure} />}
    </>
  );
}

function stopTracks(stream: MediaStream | undefined): void {
  for (const track of stream?.getTracks() ?? []) track.stop();
}

interface StudioProps extends Pick<CameraProps, 'onSource'> {
  readonly stream: MediaStream;
  readonly onStop: () => void;
}

function Studio({ stream, onSource, onStop }: StudioProps) {
  const video = useRef<HTMLVideoElement>(null);
  const [classes, setClasses] = useState<readonly CameraClass[]>([
    { name: 'class 1', images: [] },
    { name: 'class 2', images: [] },
  ]);
  const [busy, setBusy] = useState(false);
  useEffect(() => {
    video.current!.srcObject = stream;
  }, [stream]);
  const change = (place: number, to: (one: CameraClass) => CameraClass) =>
    setClasses((before) => before.map((one, i) => (i === place ? to(one) : one)));
  const take = async (place: number) => {
    setBusy(true);
    for (let i = 0; i < BURST; i++) {
      const image = await photograph(video.current!);
      change(place, (one) => ({ ...one, images: [...one.images, image] }));
      await new Promise((resolve) => setTimeout(resolve, BETWEEN));
    }
    setBusy(false);
  };
  const names = classes.map(({ name }) => name.trim());
  const isReady =
    classes.every(({ images }) => images.length > 0) &&
    new Set(names).size === names.length &&
    !names.includes('');
  return (
    <div class="camera">
      <video ref={video} autoplay muted playsInline aria-label="Camera" />
      <ul>
        {classes.map(({ name, images }, place) => (
          <li key={place}>
            <input
              type="text"
              aria-label={`Name of class ${place + 1}`}
              maxLength={60}
              value={name}
              onInput={({ currentTarget }) => change(place, (one) => ({ ...one, name: currentTarget.value }))}
            />
            <button type="button" class="quiet" disabled={busy} onClick={() => void take(place)}>
              Take {BURST} photos
            </button>
            <span class="hint">{plural(images.length, 'photo')}</span>
          </li>
        ))}
      </ul>
      <p class="buttons">
        <button
          type="button"
          class="quiet"
          onClick={() => setClasses([...classes, { name: `class ${classes.length + 1}`, images: [] }])}
        >
          Add a class
        </button>
        <button
          type="button"
          class="primary"
          disabled={busy || !isReady}
          onClick={() => {
            onSource(cameraSource(classes.map(({ images }, i) => ({ name: names[i]!, images }))));
            onStop();
          }}
        >
          Use these photos
        </button>
        <button type="button" class="quiet" onClick={onStop}>
          Close the camera
        </button>
      </p>
      <p class="hint">
        Move the object or the camera a little while photos are taken. They stay on your device.
      </p>
    </div>
  );
}

/** The camera's present picture. */
function photograph(video: HTMLVideoElement): Promise<ImageBitmap> {
  const { videoWidth: width, videoHeight: height } = video;
  const factor = SIDE / Math.min(width, height);
  return createImageBitmap(video, {
    resizeWidth: Math.round(width * factor),
    resizeHeight: Math.round(height * factor),
    resizeQuality: 'high',
  });
}
