import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { initialize } from '../../src/net/initialization.ts';
import { buildNetwork } from '../../src/net/network.ts';
import { writeModel } from '../../src/weights/model/write-model.ts';
import { jpeg, png, writeFiles } from '../support/images.ts';
import { CLASSES, Workplace } from './training-runs.ts';

interface Line {
  readonly path: string;
  readonly label: string | null;
  readonly labelIndex: number | null;
  readonly top: readonly { index: number; label: string; probability: number }[];
}

/** Writes a model with random weights whose posteriors differ between images. */
async function writeRandomModel(
  path: string,
  classes: readonly string[],
  { seed = 1, crop = 32, scale = 36 } = {},
): Promise<void> {
  const network = buildNetwork({ configuration: 'A', classes: classes.length, crop, width: 0.05 });
  const tensors = new Map(initialize(network, { method: 'he', seed }));
  const first = tensors.get('conv1_1.weight')!;
  tensors.set(
    'conv1_1.weight',
    first.map((weight) => weight / 256),
  );
  await writeModel(path, {
    network,
    classes,
    labels: classes.map((name) => `a ${name}`),
    meanRgb: [120, 110, 100],
    provenance: {},
    tensors,
    trainScale: { min: scale, max: scale },
  });
}

async function readLines(path: string): Promise<Line[]> {
  return (await readFile(path, 'utf8'))
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
}

describe('vgg evaluate', () => {
  const work = new Workplace();
  const model = () => work.path('m.safetensors');
  before(async () => {
    await writeRandomModel(model(), CLASSES);
    await writeRandomModel(work.path('other.safetensors'), [...CLASSES].reverse(), { seed: 2, crop: 64 });
  });

  const onPhotos = (...args: string[]) => [work.path('photos'), '--model', model(), ...args];

  async function evaluate(...args: string[]) {
    const { code, stdout, stderr } = await work.vgg('evaluate', ...args, '--json');
    assert.equal(code, 0, stderr);
    return JSON.parse(stdout);
  }

  async function assertRefused(exitCode: number, message: RegExp, ...args: string[]): Promise<void> {
    const { code, stderr } = await work.vgg('evaluate', ...args);
    assert.equal(code, exitCode);
    assert.match(stderr, message);
  }

  it('is dense, with mirror images, at the training scale by default', async () => {
    const { seconds, modelDetails, top1Error, loss, ...result } = await evaluate(...onPhotos());
    assert.ok(seconds > 0 && top1Error >= 0 && loss > 0);
    assert.match(modelDetails[0].sha256, /^[0-9a-f]{64}$/);
    assert.deepEqual(result, {
      ...{ images: 12, labeled: 12, top5Error: 0 },
      ...{ protocol: 'dense', flip: true, scales: [36], models: [model()] },
    });
  });

  it('--scales auto equals the list of the paper', async () => {
    const auto = await evaluate(...onPhotos('--protocol', 'both', '--scales', 'auto'));
    assert.deepEqual(auto.scales, [32, 36, 40]);
    const listed = await evaluate(...onPhotos('--protocol', 'both', '--scales', '40,32,36'));
    assert.ok(Math.abs(listed.loss - auto.loss) < 1e-6);
    assert.equal(listed.top1Error, auto.top1Error);
  });

  it('writes one line for each image, from which the errors follow', async () => {
    const file = work.path('predictions.jsonl');
    const { images, top1Error } = await evaluate(...onPhotos('--predictions', file));
    const lines = await readLines(file);
    assert.equal(lines.length, images);
    assert.deepEqual(
      lines.map(({ path }) => path),
      lines.map(({ path }) => path).sort(),
    );
    for (const { path, label, labelIndex, top } of lines) {
      assert.ok(path.includes(`/val/${CLASSES[labelIndex!]}/`));
      assert.equal(label, `a ${CLASSES[labelIndex!]}`);
      // Fewer than five classes: all of them.
      assert.equal(top.length, 3);
      const sum = top.reduce((total, { probability }) => total + probability, 0);
      assert.ok(Math.abs(sum - 1) < 1e-6);
      assert.ok(top[0]!.probability >= top[1]!.probability);
    }
    const wrong = lines.filter(({ labelIndex, top }) => top[0]!.index !== labelIndex).length;
    assert.equal(top1Error, wrong / images);
    assert.deepEqual(
      (await readdir(work.folder)).filter((name) => name.includes('journal')),
      [],
    );
  });

  it('--details gives the error of each class and the confusion matrix', async () => {
    const { perClass, confusion, top1Error } = await evaluate(...onPhotos('--details'));
    assert.deepEqual(
      perClass.map((one: Record<string, unknown>) => [one.class, one.label, one.images]),
      CLASSES.map((name) => [name, `a ${name}`, 4]),
    );
    const hits = confusion.reduce((sum: number, row: number[], i: number) => sum + row[i]!, 0);
    assert.equal(top1Error, (12 - hits) / 12);
    const { stdout } = await work.vgg('evaluate', ...onPhotos('--details'));
    assert.match(stdout, /dense .* 12 .*a (cat|dog|owl).*predicted as/s);
  });

  it('averages models, which may have their classes in another order and another crop', async () => {
    const [one, other] = [model(), work.path('other.safetensors')];
    const file = (name: string) => work.path(`${name}.jsonl`);
    const scales = ['--scales', '64'];
    for (const [name, ...models] of [
      ['a', one],
      ['b', other],
      ['both', one, other],
      ['twice', one, one],
    ] as const) {
      const args = models.flatMap((path) => ['--model', path]);
      await evaluate(work.path('photos'), ...args, ...scales, '--predictions', file(name));
    }
    const [a, b, both, twice] = await Promise.all(
      ['a', 'b', 'both', 'twice'].map((name) => readLines(file(name))),
    );
    assert.deepEqual(twice, a);
    const probability = (line: Line, label: string): number =>
      line.top.find((entry) => entry.label === label)!.probability;
    for (const [i, line] of both!.entries()) {
      for (const { label, probability: mean } of line.top) {
        const expected = (probability(a![i]!, label) + probability(b![i]!, label)) / 2;
        assert.ok(Math.abs(mean - expected) < 1e-6);
      }
    }
  });

  it('refuses models of other classes, by name', async () => {
    await writeRandomModel(work.path('zoo.safetensors'), ['cat', 'emu', 'owl']);
    const message = /only .*m\.safetensors has dog, only .*zoo\.safetensors has emu/;
    await assertRefused(1, message, ...onPhotos('--model', work.path('zoo.safetensors')));
  });

  it('classifies images without labels', async () => {
    const folder = work.path('unlabeled');
    await writeFiles(folder, { 'b.png': await png(40, 50, 3), 'a.jpg': await jpeg(60, 40, 4) });
    await assertRefused(1, /holds images but no class folders/, folder, '--model', model());
    const file = work.path('unlabeled.jsonl');
    const result = await evaluate(folder, '--model', model(), '--predictions', file);
    assert.deepEqual(
      [result.images, result.labeled, result.top1Error, result.top5Error, result.loss],
      [2, 0, null, null, null],
    );
    const lines = await readLines(file);
    assert.deepEqual(
      lines.map(({ path, label, labelIndex }) => [path.slice(folder.length), label, labelIndex]),
      [
        ['/a.jpg', null, null],
        ['/b.png', null, null],
      ],
    );
    const { stdout } = await work.vgg('evaluate', folder, '--model', model(), '--predictions', file);
    assert.match(stdout, / 2 .* – .* – /);
  });

  it('gives the same posteriors as vgg predict', async () => {
    const file = work.path('same.jsonl');
    const flags = ['--model', model(), '--protocol', 'both', '--scales', '32,41'];
    await evaluate(work.path('photos'), ...flags, '--predictions', file);
    const lines = (await readLines(file)).slice(0, 3);
    const { stdout } = await work.vgg(
      'predict',
      ...lines.map(({ path }) => path),
      ...flags,
      '--json',
      '--all',
    );
    for (const [i, { path, top, posteriors }] of JSON.parse(stdout).images.entries()) {
      assert.equal(path, lines[i]!.path);
      assert.equal(posteriors.length, 3);
      for (const [place, { label, probability }] of lines[i]!.top.entries()) {
        assert.equal(top[place].label, label);
        assert.ok(Math.abs(top[place].probability - probability) < 1e-6);
      }
    }
  });

  it('refuses scales that are too small and missing folders before it starts', async () => {
    const small = /the scale 20 is too small for .*m\.safetensors, whose crop is 32/;
    await assertRefused(1, small, ...onPhotos('--scales', '36,20'));
    const noFolder = /none\/p\.jsonl cannot be written: its folder does not exist/;
    await assertRefused(1, noFolder, ...onPhotos('--predictions', work.path('none', 'p.jsonl')));
    await assertRefused(2, /center, dense, crops, both/, ...onPhotos('--protocol', 'sparse'));
  });

  it('accepts images of any aspect ratio', async () => {
    const folder = work.path('long');
    await writeFiles(folder, {
      'cat/wide.png': await png(1000, 50, 1),
      'dog/high.jpg': await jpeg(40, 800, 2),
      'owl/tiny.png': await png(1, 1),
    });
    assert.equal((await evaluate(folder, '--model', model(), '--protocol', 'both')).images, 3);
  });
});

describe('vgg evaluate --submission', () => {
  const work = new Workplace();
  // The development kit's numbers do not follow the sorted order.
  const kit = {
    n01440764: 449,
    n01443537: 450,
    n01484850: 442,
    n01491361: 443,
    n01494475: 444,
    n01496331: 445,
  };
  const synsets = Object.keys(kit);

  it("writes five of the development kit's numbers a line, in file order", async () => {
    await writeRandomModel(work.path('m.safetensors'), synsets);
    const folder = work.path('ILSVRC2012_img_test');
    for (const number of [3, 1, 2]) {
      await writeFiles(folder, {
        [`ILSVRC2012_test_0000000${number}.JPEG`]: await jpeg(50, 40 + number, number),
      });
    }
    const args = ['evaluate', folder, '--model', work.path('m.safetensors'), '--split', 'test'];
    const outputs = ['--submission', work.path('s.txt'), '--predictions', work.path('p.jsonl')];
    const { code, stderr } = await work.vgg(...args, ...outputs);
    assert.equal(code, 0, stderr);
    const lines = (await readFile(work.path('s.txt'), 'utf8')).trimEnd().split('\n');
    const predictions = await readLines(work.path('p.jsonl'));
    assert.deepEqual(
      predictions.map(({ path }) => path.slice(-6, -5)),
      ['1', '2', '3'],
    );
    assert.deepEqual(
      lines,
      predictions.map(({ top }) => top.map(({ index }) => Object.values(kit)[index]).join(' ')),
    );
    assert.equal(lines[0]!.split(' ').length, 5);
  });

  it('is refused for classes that are not of ILSVRC', async () => {
    await writeRandomModel(work.path('cats.safetensors'), CLASSES);
    const { code, stderr } = await work.vgg(
      ...['evaluate', work.path('photos'), '--model', work.path('cats.safetensors')],
      ...['--submission', work.path('s2.txt')],
    );
    assert.equal(code, 1);
    assert.match(stderr, /the model's class "cat" is not a class of ILSVRC-2012/);
  });
});

describe('an evaluation that is stopped', () => {
  const work = new Workplace();
  const args: string[] = [];
  const predictions = () => work.path('p.jsonl');
  const journal = `${'p.jsonl'}.journal`;

  before(async () => {
    for (let i = 0; i < 60; i++) {
      const image = await jpeg(300 + 7 * (i % 5), 260 + 3 * (i % 4), i);
      await writeFiles(work.path('many'), { [`${CLASSES[i % 3]}/${i}.jpg`]: image });
    }
    await writeRandomModel(work.path('m.safetensors'), CLASSES);
    const options = ['--protocol', 'both', '--scales', '128,190', '--batch', '8'];
    args.push('evaluate', work.path('many'), '--model', work.path('m.safetensors'), ...options, '--json');
  });

  const figures = (stdout: string) => {
    const { seconds: _, ...rest } = JSON.parse(stdout);
    return rest;
  };

  async function linesIn(name: string): Promise<number> {
    return (await readFile(work.path(name), 'utf8').catch(() => '')).split('\n').length - 1;
  }

  /** Waits until the journal has grown by some images. */
  async function waitForImages(child: ChildProcess, name: string, images: number): Promise<boolean> {
    const from = await linesIn(name);
    while (child.exitCode === null && child.signalCode === null) {
      if ((await linesIn(name)) >= from + images) return true;
      await sleep(5);
    }
    return false;
  }

  it('by SIGKILL, again and again, ends with the very same figures', async (t) => {
    const whole = await work.vgg(...args, '--predictions', work.path('whole.jsonl'));
    assert.equal(whole.code, 0, whole.stderr);
    const reached: number[] = [];
    for (let attempt = 0; attempt < 4; attempt++) {
      const resume = attempt === 0 ? [] : ['--resume'];
      const child = work.start(...args, '--predictions', predictions(), ...resume);
      const ended = once(child, 'exit');
      if (!(await waitForImages(child, journal, 7))) break;
      child.kill('SIGKILL');
      await ended;
      reached.push((await linesIn(journal)) - 1);
    }
    t.diagnostic(`killed after ${reached.join(', ')} of 60 images`);
    assert.ok(reached.length >= 2, 'it was hardly ever killed');
    // An incomplete line, as a power cut may leave it.
    await writeFile(work.path(journal), '{"image":3,"lab', { flag: 'a' });
    const resumed = await work.vgg(...args, '--predictions', predictions(), '--resume');
    assert.equal(resumed.code, 0, resumed.stderr);
    assert.match(resumed.stderr, /resuming after \d+ of 60 images/);
    assert.deepEqual(figures(resumed.stdout), figures(whole.stdout));
    assert.equal(await readFile(predictions(), 'utf8'), await readFile(work.path('whole.jsonl'), 'utf8'));
    assert.ok(!(await readdir(work.folder)).includes(journal));
  });

  it('by Ctrl-C, exits with 130, says how to resume, and resumes without any file named', async () => {
    const child = work.start(...args);
    let stderr = '';
    child.stderr!.on('data', (text) => {
      stderr += text;
    });
    const folder = 'cache/verydeep/evaluations';
    const name = async () =>
      `${folder}/${(await readdir(work.path(folder)).catch(() => [])).find((file) => file.endsWith('.journal'))}`;
    while ((await linesIn(await name())) < 8) await sleep(5);
    child.kill('SIGINT');
    const [code] = await once(child, 'exit');
    assert.equal(code, 130, stderr);
    assert.match(stderr, /stopped after \d+ of 60 images; continue with the same command and --resume/);
    const resumed = await work.vgg(...args, '--resume');
    assert.equal(resumed.code, 0, resumed.stderr);
    assert.match(resumed.stderr, /resuming after \d+ of 60/);
    assert.equal(figures(resumed.stdout).images, 60);
    assert.deepEqual(await readdir(work.path(folder)), []);
  });

  it('is not resumed as another one', async () => {
    const file = work.path('kept.journal');
    const child = work.start(...args, '--journal', file);
    const ended = once(child, 'exit');
    await waitForImages(child, 'kept.journal', 3);
    child.kill('SIGKILL');
    await ended;
    const other = await work.vgg(...args, '--journal', file, '--resume', '--no-flip');
    assert.equal(other.code, 1);
    assert.match(other.stderr, /kept\.journal belongs to an evaluation with another choice of mirror images/);
    const none = await work.vgg(...args, '--journal', work.path('new.journal'), '--resume');
    assert.equal(none.code, 0, none.stderr);
    assert.match(none.stderr, /no interrupted evaluation found/);
  });
});
