import { useState } from 'preact/hooks';
import type { Metrics } from '../../../src/browser/index.ts';
import { Chart, LINE_STYLES } from '../runs/chart.tsx';
import { EPOCHS, seriesColor } from '../runs/series.ts';
import { ValidationTable } from '../runs/validation-table.tsx';
import { count, figure, plural } from '../ui/display-values.ts';
import { Failure } from '../ui/notices.tsx';
import { DeviceStatus } from './device-status.tsx';
import { ImageChoice } from './image-choice.tsx';
import { localTraining, type TrainingState, useLocalTraining } from './local-training.ts';
import { RecipeForm } from './recipe-form.tsx';
import { DEFAULTS } from './recipe-settings.ts';
import { Result } from './result.tsx';
import { useTrainingDevice } from './training-device.ts';

/** Training on the visitor's own device and images. */
export function Train({ demoImages }: { readonly demoImages: string | undefined }) {
  const { source, state, lines, start, unreadable, isBusy } = useLocalTraining();
  const [settings, setSettings] = useState(DEFAULTS);
  const device = useTrainingDevice();
  return (
    <>
      <div class="title">
        <h1>Train in this browser</h1>
        <p class="model">
          Trains a small network on your GPU, or on your CPU without one; images and weights stay on your
          device.
        </p>
      </div>
      <div class="columns train">
        <ImageChoice
          source={source}
          demoImages={demoImages}
          disabled={isBusy}
          onSource={(chosen) => localTraining.choose(chosen)}
        />
        <RecipeForm
          value={settings}
          disabled={isBusy}
          onChange={(change) => setSettings((before) => ({ ...before, ...change }))}
        />
      </div>
      <section class="panel" aria-labelledby="training">
        <div class="panel-head">
          <h2 id="training">Training</h2>
          {isBusy ? (
            <button type="button" class="quiet" onClick={() => localTraining.stop()}>
              Stop
            </button>
          ) : (
            <button
              type="button"
              class="primary"
              disabled={!source}
              onClick={() => void localTraining.run(settings)}
            >
              {lines.length > 0 ? 'Start again' : 'Start'}
            </button>
          )}
        </div>
        {!isBusy && state.state !== 'ended' && <DeviceStatus device={device} />}
        <p class="hint" role="status">
          {statusText(state, source !== undefined)}
        </p>
        <Progress state={state} images={(source?.trainingImages ?? 0) + (source?.validationImages ?? 0)} />
        {unreadable.length > 0 && (
          <p class="hint">
            Skipped because the browser cannot decode {unreadable.length === 1 ? 'it' : 'them'}:{' '}
            {unreadable.slice(0, 3).join(', ')}
            {unreadable.length > 3 && ` and ${plural(unreadable.length - 3, 'other')}`}.
          </p>
        )}
        {state.state === 'failed' && <Failure message={state.message} />}
        {start && lines.length > 0 && <TrainingCurves name={source!.name} lines={lines} />}
        {state.state === 'ended' && <Result name={source!.name} training={state.training} lines={lines} />}
      </section>
    </>
  );
}

/** Screen readers announce it whenever it changes, so it contains no figures that change constantly. */
function statusText(state: TrainingState, isChosen: boolean): string {
  switch (state.state) {
    case 'idle':
      return isChosen ? 'Ready.' : 'Choose images first.';
    case 'reading':
      return 'Reading the images.';
    case 'training':
      return `Training on ${localTraining.start!.device}.`;
    case 'ended':
      return 'Training has ended.';
    case 'failed':
      return '';
  }
}

function Progress({ state, images }: { readonly state: TrainingState; readonly images: number }) {
  if (state.state === 'reading') {
    return (
      <p class="progress-line hint">
        <progress aria-label="Images read" value={state.done} max={images} />
        {count(state.done)} of {plural(images, 'image')}
      </p>
    );
  }
  if (state.state !== 'training' || !state.progress) return null;
  const { iteration, totalIterations, epoch, loss, learningRate } = state.progress;
  return (
    <p class="progress-line hint">
      <progress aria-label="Iterations completed" value={iteration} max={totalIterations} />
      iteration {count(iteration)} of {count(totalIterations)}, epoch {epoch.toFixed(1)}, loss {figure(loss)},
      learning rate {figure(learningRate)}
    </p>
  );
}

function TrainingCurves({ name, lines }: { readonly name: string; readonly lines: readonly Metrics[] }) {
  const series = [{ id: name, name, color: seriesColor(0), lines }];
  return (
    <>
      <div class="charts">
        <Chart title="Loss" unit="nats" xAxis={EPOCHS} series={series} value={({ loss }) => loss} />
        <Chart
          title="Top-1 error"
          unit="%"
          xAxis={EPOCHS}
          series={series}
          value={({ top1Error }) => 100 * top1Error}
        />
      </div>
      <p class="hint">{LINE_STYLES}</p>
      {lines.some(({ kind }) => kind === 'validation') && <ValidationTable series={series} />}
    </>
  );
}
