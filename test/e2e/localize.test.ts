/** Localization from the command line: boxes learned, measured by both protocols, and wrong combinations refused. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { before, describe, it } from 'node:test';
import sharp from 'sharp';
import { writeFiles } from '../support/images.ts';
import { TemporaryFolder } from '../support/temporary-folder.ts';
import { type CommandLine, startVgg, textOf, vggWith, words } from './cli-process.ts';
import { linesOf } from './training-runs.ts';

const QUICK = words`--config A --width 0.1 --crop 32 --scale 32 --batch 16 --no-color-shift --dropout 0`;

/** A white rectangle on red or blue, somewhere; the color is the class. */
async function scene(label: number, seed: number): Promise<{ image: Buffer; corners: number[] }> {
  const [width, height] = [16 + ((seed * 7) % 16), 12 + ((seed * 5) % 16)];
  const [left, top] = [(seed * 11) % (60 - width), (seed * 13) % (44 - height)];
  const white = { create: { width, height, channels: 3 as const, background: 'white' } };
  const image = await sharp({
    create: { width: 60, height: 44, channels: 3, background: label ? '#a02020' : '#2020a0' },
  })
    .composite([{ input: await sharp(white).png().toBuffer(), left, top }])
    .jpeg({ quality: 95 })
    .toBuffer();
  return { image, corners: [left, top, left + width - 1, top + height - 1] };
}

class Scenes extends TemporaryFolder {
  constructor() {
    super();
    before(async () => {
      const lines = ['image,xmin,ymin,xmax,ymax,class'];
      for (const [label, name] of ['blue', 'red'].entries()) {
        for (let i = 0; i < 32; i++) {
          const { image, corners } = await scene(label, 2 * i + label);
          const path = `${i < 24 ? 'train' : 'val'}/${name}/${i}.jpg`;
          await writeFiles(this.path('scenes'), { [path]: image });
          lines.push(`${path},${corners.join()},${name}`);
        }
      }
      await writeFile(this.path('boxes.csv'), `${lines.join('\n')}\n`);
    });
  }

  vgg(...command: CommandLine) {
    return vggWith({ XDG_CACHE_HOME: this.path('cache') }, ...command);
  }
}

describe('localization', () => {
  const folder = new Scenes();
  const { vgg } = { vgg: folder.vgg.bind(folder) };
  const [data, boxes] = [folder.path('scenes'), folder.path('boxes.csv')];
  const [classes, single, perClass] = ['classes', 'single', 'per-class'].map((name) => folder.path(name)) as [
    string,
    string,
    string,
  ];
  const ran = async (...command: CommandLine) => {
    const outcome = await vgg(...command);
    assert.equal(outcome.code, 0, outcome.stderr);
    return outcome.stdout;
  };

  it('learns boxes from a classifier, for all classes or for each', { timeout: 300_000 }, async () => {
    await ran(...words`train ${data} ${QUICK} --lr 0.02 --epochs 4 --out ${classes}`);
    const from = words`--from ${classes}/best.safetensors --task localize --boxes ${boxes} --no-random-crop`;
    for (const [regression, out] of [
      ['single', single],
      ['per-class', perClass],
    ] as const) {
      const trained = words`train ${data} ${QUICK} ${from} --regression ${regression} --epochs 15 --lr 0.003 --out ${out} --json`;
      const { last } = JSON.parse(await ran(...trained));
      const [first] = (await linesOf(`${out}/metrics.jsonl`)).filter(({ kind }) => kind === 'validation');
      assert.ok(last.loss < first.loss, `${last.loss} is not below ${first.loss}`);
      assert.ok(last.meanOverlap > 0 && last.meanOverlap <= 1);
    }
  });

  it('resumes to the same weights', { timeout: 120_000 }, async () => {
    const [half, whole] = [folder.path('half'), folder.path('whole')];
    const recipe = words`${QUICK} --task localize --boxes ${boxes} --freeze features --from ${classes}/best.safetensors`;
    await ran(...words`train ${data} ${recipe} --epochs 2 --lr-drop-at 9e --out ${whole}`);
    await ran(...words`train ${data} ${recipe} --epochs 1 --lr-drop-at 9e --out ${half}`);
    await ran(...words`train --resume --out ${half} --epochs 2`);
    const files = await Promise.all(
      [half, whole].map((run) => ran(...words`inspect ${run}/last.safetensors --json`)),
    );
    assert.ok(files[0]!.length > 0);
    const evaluated = (run: string) =>
      ran(...words`evaluate ${data} --task localize --boxes ${boxes} --model ${run}/last.safetensors --json`);
    const [a, b] = [JSON.parse(await evaluated(half)), JSON.parse(await evaluated(whole))];
    assert.equal(a.meanOverlap, b.meanOverlap);
  });

  it('measures the box of the true class on the center crop', async () => {
    const predictions = folder.path('center.jsonl');
    assert.match(await ran(...words`inspect ${single}/last.safetensors`), /FC-4 \(one box\)/);
    const { error, meanOverlap, images } = JSON.parse(
      await ran(
        ...words`evaluate ${data} --task localize --boxes ${boxes} --model ${single}/last.safetensors --predictions ${predictions} --json`,
      ),
    );
    assert.equal(images, 16);
    assert.ok(error.interval[0] <= error.value && error.value <= error.interval[1]);
    const lines = await linesOf(predictions);
    assert.equal(lines.length, 16);
    // The overlaps of the predictions file, by hand.
    const truths = new Map(
      (await readFile(boxes, 'utf8'))
        .trim()
        .split('\n')
        .slice(1)
        .map((line) => line.split(','))
        .map(([image, ...corners]) => [
          image!,
          corners.slice(0, 4).map(Number) as [number, number, number, number],
        ]),
    );
    const overlaps = lines.map(({ path, top }) => {
      const [xmin, ymin, xmax, ymax] = truths.get(path.slice(data.length + 1))!;
      const { left, top: upper, right, bottom } = top[0].box;
      const [w, h] = [
        Math.min(right, xmax + 1) - Math.max(left, xmin),
        Math.min(bottom, ymax + 1) - Math.max(upper, ymin),
      ];
      const shared = Math.max(0, w) * Math.max(0, h);
      return shared / ((right - left) * (bottom - upper) + (xmax + 1 - xmin) * (ymax + 1 - ymin) - shared);
    });
    const mean = overlaps.reduce((sum, one) => sum + one, 0) / 16;
    assert.ok(Math.abs(mean - meanOverlap) < 1e-9, `${mean}, not ${meanOverlap}`);
    assert.equal(error.value, overlaps.filter((one) => one <= 0.5).length / 16);
  });

  it('locates classes on whole images at several scales, with the boxes of two networks', async () => {
    const predictions = folder.path('dense.jsonl');
    const models = words`--model ${single}/last.safetensors --model ${perClass}/last.safetensors`;
    const result = JSON.parse(
      await ran(
        ...words`evaluate ${data} --task localize --boxes ${boxes} ${models} --classifier ${classes}/best.safetensors --scales 32,64 --predictions ${predictions} --json`,
      ),
    );
    assert.equal(result.protocol, 'dense');
    assert.ok(result.top5Error.value <= result.error.value);
    assert.equal(result.classificationTop5Error.value, 0);
    for (const { top } of await linesOf(predictions)) {
      assert.equal(top.length, 2);
      const { left, right, bottom } = top[0].box;
      assert.ok(left >= 0 && right <= 60 && bottom <= 44);
    }
  });

  it('adds boxes to predictions, in the command and in the server alike', async (t) => {
    const image = `${data}/val/red/24.jpg`;
    const models = words`--model ${classes}/best.safetensors --localizer ${single}/last.safetensors`;
    const { images } = JSON.parse(await ran(...words`predict ${image} ${models} --json`));
    const [{ top }] = images;
    assert.ok(top.every(({ box }: { box: object }) => box));
    assert.match(await ran(...words`predict ${image} ${models}`), /box, px[\s\S]* to /);
    const child = startVgg(
      { XDG_CACHE_HOME: folder.path('cache') },
      ...words`serve ${models} --port 0 --threads 1`,
    );
    t.after(() => child.kill('SIGKILL'));
    const stderr = textOf(child, 'stderr');
    let url: string | undefined;
    while (url === undefined) {
      await Promise.race([once(child.stderr!, 'data'), once(child, 'exit')]);
      assert.equal(child.exitCode, null, stderr());
      [, url] = /Serving on (\S+)/.exec(stderr()) ?? [];
    }
    const answer = await fetch(`${url}/v1/predict`, {
      method: 'POST',
      headers: { 'content-type': 'image/jpeg' },
      body: new Uint8Array(await readFile(image)),
    });
    // biome-ignore lint/suspicious/noExplicitAny: JSON of any shape
    const served = ((await answer.json()) as any).images[0].top;
    for (const [i, { box, label }] of served.entries()) {
      assert.equal(label, top[i].label);
      for (const edge of ['left', 'top', 'right', 'bottom']) {
        assert.ok(
          Math.abs(box[edge] - top[i].box[edge]) < 1e-2,
          `${edge}: ${box[edge]}, not ${top[i].box[edge]}`,
        );
      }
    }
  });

  it('reproduces Tables 8 to 10, and continues where it was', { timeout: 300_000 }, async () => {
    const out = folder.path('tables');
    const [fixed, other] = [folder.path('fixed'), folder.path('other')];
    await writeFile(folder.path('quick.yaml'), 'epochs: 1\nbatch: 16\ncolor-shift: false\n');
    await ran(...words`train ${data} ${QUICK} --lr 0.02 --epochs 2 --out ${fixed}`);
    await ran(...words`train ${data} ${QUICK} --scale 64 --lr 0.02 --epochs 1 --out ${other}`);
    const models = words`--model ${fixed}/last.safetensors --model ${other}/last.safetensors`;
    const command = words`reproduce ${data} --appendix a ${models} --boxes ${boxes} --recipe ${folder.path('quick.yaml')} --out ${out}`;
    const printed = await ran(...command);
    assert.match(
      printed,
      /Table 8:[\s\S]*single-fc[\s\S]*36\.4[\s\S]*Table 9:[\s\S]*fusion, Q = 32, 64[\s\S]*26\.9[\s\S]*OverFeat/,
    );
    const again = await vgg(...command);
    assert.equal(again.stdout, printed);
    assert.doesNotMatch(again.stderr, /training|measuring/);
    // What is there already is never shown as the result of something else.
    const changes: Record<string, [from: string, to: string]> = {
      data: [`reproduce ${data}`, `reproduce ${data}/train`],
      boxes: [boxes, folder.path('other.csv')],
      models: [models.join(' '), [models[0], models[3], models[2], models[1]].join(' ')],
      recipe: ['quick.yaml', 'slow.yaml'],
    };
    await writeFile(folder.path('slow.yaml'), 'epochs: 2\n');
    const changed = (from: string, to: string) => command.join(' ').replace(from, to).trim().split(/ +/);
    for (const [name, [from, to]] of Object.entries(changes)) {
      const { code, stderr, stdout } = await vgg(...changed(from, to));
      assert.deepEqual([code, stdout], [1, '']);
      assert.match(stderr, new RegExp(`was started with other ${name}; choose another --out`));
    }
    const alone = changed(`--model ${other}/last.safetensors`, '');
    assert.match(await ran(...alone), /second +│ +–/);
    await writeFile(folder.path('frozen.yaml'), 'freeze: features\n');
    const frozen = await vgg(...changed('quick.yaml', 'frozen.yaml'));
    assert.match(frozen.stderr, /decide the recipe key freeze; remove it/);
    const equal = await vgg(...changed(`${other}/last`, `${fixed}/best`));
    assert.match(equal.stderr, /were both trained at S = 32, but Table 9 compares two scales/);
  });

  it('reproduces a column of Table 11', { timeout: 120_000 }, async () => {
    const models = words`--model ${classes}/last.safetensors --model ${folder.path('fixed')}/last.safetensors`;
    const { code, stderr } = await vgg(
      ...words`reproduce ${data} --appendix b ${models} --out ${folder.path('b')}`,
    );
    assert.equal(code, 2);
    assert.match(stderr, /name the data set of Table 11/);
    const small = words`reproduce ${data} --appendix b --set Caltech-101 ${models} --out ${folder.path('b')}`;
    const refused = await vgg(...small);
    assert.match(refused.stderr, /has 24 images, too few to draw 30/);
    const voc = folder.path('voc');
    for (const [i, id] of ['1', '2', '3', '4', '5', '6'].entries()) {
      await writeFiles(voc, { [`JPEGImages/${id}.jpg`]: (await scene(i % 2, i)).image });
    }
    await writeFiles(voc, {
      'ImageSets/Main/blue_train.txt': '1 1\n2 -1\n3 1\n4 -1\n',
      'ImageSets/Main/red_train.txt': '1 -1\n2 1\n3 -1\n4 1\n',
      'ImageSets/Main/blue_val.txt': '5 1\n6 -1\n',
      'ImageSets/Main/red_val.txt': '5 -1\n6 1\n',
    });
    const printed = await ran(
      ...words`reproduce ${voc} --appendix b --set VOC-2007 ${models} --out ${folder.path('b')}`,
    );
    assert.match(printed, /Table 11, VOC-2007[\s\S]*first model[\s\S]*89\.3[\s\S]*both[\s\S]*89\.7/);
  });

  describe('refuses', () => {
    const cases: Record<string, [command: () => string[], message: RegExp]> = {
      'a localization model to classify with': [
        () => words`evaluate ${data} --model ${single}/last.safetensors`,
        /predicts boxes, not classes/,
      ],
      'a localization model to predict with': [
        () => words`predict ${data}/val/red/24.jpg --model ${single}/last.safetensors`,
        /predicts boxes, not classes/,
      ],
      'a classification model to localize with': [
        () => words`evaluate ${data} --task localize --boxes ${boxes} --model ${classes}/best.safetensors`,
        /predicts classes, not boxes/,
      ],
      'images without boxes': [
        () => words`train ${data} ${QUICK} --task localize --out ${folder.path('none')}`,
        /no boxes were found near the images/,
      ],
      'the regression of another task': [
        () => words`train ${data} ${QUICK} --regression single --out ${folder.path('none')}`,
        /regression is for boxes; add task localize/,
      ],
      'the dense protocol without class scores': [
        () =>
          words`evaluate ${data} --task localize --boxes ${boxes} --protocol dense --model ${single}/last.safetensors`,
        /name a classification model with --classifier/,
      ],
      'a classification model for boxes': [
        () =>
          words`predict ${data}/val/red/24.jpg --model ${classes}/best.safetensors --localizer ${classes}/best.safetensors`,
        /predicts classes, not boxes/,
      ],
      'to serve boxes without classes': [
        () => words`serve --localizer ${single}/last.safetensors --runs ${folder.path('scenes')} --port 0`,
        /name a classification model, too/,
      ],
      'a submission without a line for each image': [
        () =>
          words`evaluate ${data} --task localize --boxes ${boxes} --model ${single}/last.safetensors --classifier ${classes}/best.safetensors --submission ${folder.path('s.txt')} --skip-bad`,
        /a submission needs a line for each image; leave out --skip-bad/,
      ],
      'options that do not apply': [
        () =>
          words`evaluate ${data} --task localize --boxes ${boxes} --model ${single}/last.safetensors --details`,
        /--details does not apply/,
      ],
    };
    for (const [title, [command, message]] of Object.entries(cases)) {
      it(title, async () => {
        const { code, stderr } = await vgg(...command());
        assert.notEqual(code, 0);
        assert.match(stderr, message);
        assert.doesNotMatch(stderr, /\n\s+at /);
      });
    }

    const broken: Record<string, [row: string, message: RegExp]> = {
      'a box outside the image': ['train/red/0.jpg,0,0,80,20,red', /reaches beyond the image of 60×44/],
      'a box without corners': ['train/red/0.jpg,0,,8,20,red', /line 66: .* is not a box/],
      'a box that is turned around': ['train/red/0.jpg,20,0,8,20,red', /line 66: .* is not a box/],
    };
    for (const [title, [row, message]] of Object.entries(broken)) {
      it(title, async () => {
        const list = folder.path('broken.csv');
        await writeFile(list, `${await readFile(boxes, 'utf8')}${row}\n`);
        const run = folder.path(title.replaceAll(' ', '-'));
        const { code, stderr } = await vgg(
          ...words`train ${data} ${QUICK} --task localize --boxes ${list} --epochs 1 --out ${run}`,
        );
        assert.notEqual(code, 0);
        assert.match(stderr, message);
        assert.doesNotMatch(stderr, /training stopped|become unreadable/, 'found before the training');
      });
    }
  });
});
