import { useEffect, useState } from 'preact/hooks';
import type { ModelsResponse } from '../../src/serve/contract/model.ts';
import { getJson, onUnauthorized } from './api/client.ts';
import { useRequest } from './api/use-request.ts';
import { Classify } from './classify/classify.tsx';
import { Inside } from './layers/layers.tsx';
import { Runs } from './runs/runs.tsx';
import type { Picture } from './state/picture.ts';
import { useRoute, type View } from './state/route.ts';
import { Train } from './train/train.tsx';
import { Header } from './ui/header.tsx';
import { Answer } from './ui/notices.tsx';
import { TokenPrompt } from './ui/token-prompt.tsx';

const TITLES: Readonly<Record<View, string>> = {
  classify: 'Classify',
  inside: 'Look inside',
  train: 'Train here',
  runs: 'Runs',
};

export function App() {
  const route = useRoute();
  const [session, setSession] = useState(0); // counts sign-ins, after which everything is asked for again
  const [locked, setLocked] = useState(false);
  const [picture, setPicture] = useState<Picture>();
  const [chosenModel, setChosenModel] = useState<string>();
  const models = useRequest(`models ${session}`, (signal) => getJson<ModelsResponse>('v1/model', {}, signal));

  useEffect(() => onUnauthorized(() => setLocked(true)), []);
  useEffect(keepOnDrop, []);
  useEffect(() => {
    document.title = `${TITLES[route.view]} · verydeep`;
  }, [route.view]);

  if (locked) {
    return (
      <TokenPrompt
        onSignedIn={() => {
          setLocked(false);
          setSession(session + 1);
        }}
      />
    );
  }
  const content = (answer: ModelsResponse) => {
    const model = answer.models.find(({ name }) => name === chosenModel) ?? answer.models[0];
    const shared = {
      model,
      models: answer.models,
      onModel: setChosenModel,
      limits: answer.limits,
      weights: answer.weights,
      picture,
      onPicture: setPicture,
    };
    if (route.view === 'runs') return <Runs route={route} />;
    if (route.view === 'train') return <Train demoImages={answer.demoImages} />;
    if (!model) return <NoModel />;
    if (route.view === 'inside') return <Inside {...shared} model={model} route={route} />;
    return <Classify {...shared} model={model} />;
  };
  return (
    <>
      <Header view={route.view} />
      <main id="content" tabIndex={-1} key={session}>
        <Answer of={models} what="the server">
          {content}
        </Answer>
      </main>
    </>
  );
}

/** A file that is dropped where nobody takes it would be opened in the page's place, and end a training here. */
function keepOnDrop(): () => void {
  const keep = (event: DragEvent) => event.preventDefault();
  addEventListener('dragover', keep);
  addEventListener('drop', keep);
  return () => {
    removeEventListener('dragover', keep);
    removeEventListener('drop', keep);
  };
}

function NoModel() {
  return (
    <section class="empty">
      <h1>No model here yet</h1>
      <p>
        This server shows training runs only. Start it with <code>vgg serve --model best.safetensors</code> to
        classify images with a model, and to look inside it.
      </p>
    </section>
  );
}
