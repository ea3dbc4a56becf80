import type { RgbImage } from '../../data/source.ts';
import { gridCrops } from '../../evaluate/crops.ts';
import { averageOverPositions } from '../../evaluate/dense.ts';
import { meanOf, softmax, topClasses } from '../../evaluate/softmax.ts';
import { layerCosts } from '../../net/cost.ts';
import { admit } from '../admit.ts';
import { type Context, type Work, working } from '../context.ts';
import {
  type CropsResponse,
  cropsQuery,
  cropsResponse,
  type ScoreMapQuery,
  type ScoreMapResponse,
  scoreMapQuery,
  scoreMapResponse,
} from '../contract/index.ts';
import { RequestError } from '../errors.ts';
import { positionPosteriors, type ScoreMap } from '../models/score-maps.ts';
import type { ServedModel } from '../models/served-model.ts';
import type { Picture } from '../pictures.ts';
import { imageErrors, type Routes } from '../typed.ts';
import { readUpload } from '../uploads.ts';
import { labelled } from './predict.ts';

/** `POST /v1/score-map` and `POST /v1/crops`: what dense evaluation and the grid of crops see, place by place. */
export function mapRoutes(app: Routes, context: Context): void {
  app.post(
    '/v1/score-map',
    {
      onRequest: admit(context),
      schema: {
        summary: 'Where in an image dense evaluation sees a class.',
        querystring: scoreMapQuery,
        response: { 200: scoreMapResponse, ...imageErrors },
      },
    },
    (request, reply) =>
      working(request, reply, context, async (work) => {
        const model = context.models.find(request.query.model);
        checkClasses(model, request.query.class);
        const scales = model.scales(request.query.scales, 'dense');
        const picture = await readPicture(request, context, scales, work);
        return {
          image: picture.size,
          scales: await Promise.all(
            picture.scaled.map((image, i) => scoreMap(model, image, scales[i]!, request.query, work)),
          ),
        };
      }),
  );

  app.post(
    '/v1/crops',
    {
      onRequest: admit(context),
      schema: {
        summary: 'What a model sees in each crop of the 5×5 grid.',
        querystring: cropsQuery,
        response: { 200: cropsResponse, ...imageErrors },
      },
    },
    (request, reply) =>
      working(request, reply, context, async (work) => {
        const model = context.models.find(request.query.model);
        const scales = model.scales(request.query.scales, 'crops');
        const picture = await readPicture(request, context, scales, work);
        return {
          image: picture.size,
          scales: await Promise.all(
            picture.scaled.map((image, i) => cropScores(model, image, scales[i]!, request.query.flip, work)),
          ),
        };
      }),
  );
}

async function readPicture(
  request: Parameters<typeof readUpload>[0],
  { pictures, metrics }: Context,
  scales: readonly number[],
  { ticket, signal }: Work,
): Promise<Picture> {
  ticket.grow(scales.length - 1);
  const picture = await pictures.read(await readUpload(request), scales, signal);
  metrics.images.inc();
  return picture;
}

function checkClasses({ facts }: ServedModel, classes: readonly number[] = []): void {
  const strange = classes.find((index) => index >= facts.network.classes);
  if (strange === undefined) return;
  throw new RequestError(
    'bad_request',
    `There is no class ${strange}: this model has those from 0 to ${facts.network.classes - 1}.`,
  );
}

type ScoreMapAtScale = ScoreMapResponse['scales'][number];

async function scoreMap(
  model: ServedModel,
  image: RgbImage,
  scale: number,
  { top, class: asked }: ScoreMapQuery,
  { signal }: Work,
): Promise<ScoreMapAtScale> {
  const { network, labels } = model.facts;
  const [, , rows, columns] = model.mapShape(image);
  const views = await model.classifier.scores('dense', image, true, signal);
  const posteriors = meanOf(views.map((scores) => softmax(averageOverPositions(scores, network.classes))));
  const ranked = topClasses(posteriors, network.classes);
  const shown = asked
    ? asked.map((index) => ({ index, probability: posteriors[index]! }))
    : ranked.slice(0, top);
  const indices = shown.map(({ index }) => index);
  const [straight, mirrored] = views.map((scores, i) => {
    const map: ScoreMap = { scores, rows, columns };
    return positionPosteriors(map, indices, i === 1);
  });
  const field = layerCosts(network).at(-1)!.receptiveField;
  return {
    scale,
    rescaled: sizeOf(image),
    rows,
    columns,
    effectiveStride: field.stride,
    receptiveField: field.side,
    classes: labelled(shown, labels).map((one, i) => ({
      ...one,
      map: [...meanOf([straight![i]!, mirrored![i]!])],
    })),
  };
}

type CropsAtScale = CropsResponse['scales'][number];

async function cropScores(
  model: ServedModel,
  image: RgbImage,
  scale: number,
  flip: boolean,
  { signal }: Work,
): Promise<CropsAtScale> {
  const { network, labels } = model.facts;
  const views = await model.classifier.scores('crops', image, flip, signal);
  return {
    scale,
    rescaled: sizeOf(image),
    crop: network.crop,
    crops: gridCrops(image, network.crop, flip).map(({ left, top, flip: flipped }, i) => ({
      x: left,
      y: top,
      flipped,
      top: labelled(topClasses(softmax(views[i]!), 3), labels),
    })),
  };
}

function sizeOf({ width, height }: RgbImage) {
  return { width, height };
}
