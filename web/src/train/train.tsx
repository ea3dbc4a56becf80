import { useState } from 'preact/hooks';
import type { Metrics } from '../../../src/web/index.ts';
import { Chart } from '../runs/chart.tsx';
import { colourOf } from '../runs/series-colors.ts';
import { DataTable } from '../ui/data-table.tsx';
import { count, figure, percent, plural } from '../ui/format.ts';
import { Failure } from '../ui/notices.tsx';
import { Images } from './image-choice.tsx';
import { localTraining, type TrainingState, useLocalTraining } from './local-training.ts';
import { Result } from './result.tsx';
import { SettingsForm } from './recipe-form.tsx';
import { DEFAULTS } from './image-source.ts';

/** Training on the visitor's own GPU and images. */
export function Train({ demoImages }: { readonly demoImages: string | undefined }) {
  const { source, state, lines, start, unreadable, isBusy } = useLocalTraining();
  const [settings, setSettings] = useState(DEFAULTS);
  return (
    <>
      <div class="title">
        <h1>Train here</h1>
        <p class="model">A small network on this device's GPU; images and weights do not leave it.</p>
      </div>
      <div class="columns train">
        <Images
          source={source}
          demoImages={demoImages}
          disabled={isBusy}
          onSource={(chosen) => localTraining.choose(chosen)}
        />
        <SettingsForm
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
        <p class="hint" role="status">
          {wordsFor(state, source !== undefined)}
        </p>
        <Progress state={state} images={(source?.trainingImages ?? 0) + (source?.validationImages ?? 0)} />
        {unreadable.length > 0 && (
          <p class="hint">
            Left out, since the browser cannot decode {unreadable.length === 1 ? 'it' : 'them'}:{' '}
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

/** What is read aloud when it changes: no figures that change all the time. */
function wordsFor(state: TrainingState, isChosen: boolean): string {
  switch (state.state) {
    case 'idle':
      return isChosen ? 'Ready.' : 'Choose images first.';
    case 'reading':
      return 'The images are read.';
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
      <p class="fetched hint">
        <progress aria-label="Images that were read" value={state.done} max={images} />
        {count(state.done)} of {plural(images, 'image')}
      </p>
    );
  }
  if (state.state !== 'training' || !state.progress) return null;
  const { iteration, totalIterations, epoch, loss, learningRate } = state.progress;
  return (
    <p class="fetched hint">
      <progress aria-label="Iterations that were done" value={iteration} max={totalIterations} />
      iteration {count(iteration)} of {count(totalIterations)}, pass {epoch.toFixed(1)}, loss {figure(loss)},
      rate {figure(learningRate)}
    </p>
  );
}

function TrainingCurves({ name, lines }: { readonly name: string; readonly lines: readonly Metrics[] }) {
  const series = [{ id: name, colour: colourOf(0), lines }];
  const validations = lines.filter(({ kind }) => kind === 'validation');
  return (
    <>
      <div class="charts">
        <Chart title="Loss" unit="nats" along="epoch" series={series} value={({ loss }) => loss} />
        <Chart
          title="top-1 error"
          unit="%"
          along="epoch"
          series={series}
          value={({ top1Error }) => 100 * top1Error}
        />
      </div>
      <p class="hint">Thin lines: training. Thick lines with points: validation.</p>
      {validations.length > 0 && (
        <details>
          <summary>The validations as a table</summary>
          <DataTable
            caption="Validations, the newest last"
            columns={['Pass', 'Iteration', 'Loss', 'Top-1 error', 'Rate']}
            rows={validations.map(({ epoch, iteration, loss, top1Error, learningRate }) => [
              epoch.toFixed(2),
              count(iteration),
              loss.toFixed(4),
              percent(top1Error),
              figure(learningRate),
            ])}
          />
        </details>
      )}
    </>
  );
}
