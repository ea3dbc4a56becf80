import assert from 'node:assert/strict';
import { type ChildProcess, execFile } from 'node:child_process';
import { once } from 'node:events';
import { chmod, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { initialize } from '../../src/net/initialization.ts';
import { buildNetwork } from '../../src/net/network.ts';
import { writeModel } from '../../src/weights/model/write-model.ts';
import { jpeg, png, writeFiles } from '../support/images.ts';
import { pluck } from '../support/lists.ts';
import { failed, jsonOf, mainFile, succeeded, textOf, words } from './cli-process.ts';
import { CLASSES, linesOf, Workplace } from './training-runs.ts';

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
  { seed = 1, crop = 32 } = {},
): Promise<void> {
  const network = buildNetwork({ configuration: 'A', classes: classes.length, crop, width: 0.05 });
  const tensors = new Map(initialize(network, { method: 'he-unscaled', seed }));
  const first = tensors.get('conv1_1.weight')!.map((weight) => weight / 256);
  tensors.set('conv1_1.weight', first);
  await writeModel(path, {
    network,
    classes,
    labels: classes.map((name) => `a ${name}`),
    meanRgb: [120, 110, 100],
    provenance: {},
    tensors,
    trainScale: { min: 36, max: 36 },
  });
}

const readLines = (path: string): Promise<Line[]> => linesOf(path);

describe('vgg evaluate', () => {
  const work = new Workplace();
  const model = work.path('m.safetensors');
  const photos = work.path('photos');
  before(async () => {
    await writeRandomModel(model, CLASSES);
    await writeRandomModel(work.path('other.safetensors'), [...CLASSES].reverse(), { seed: 2, crop: 64 });
  });

  const evaluate = (...args: string[]) => jsonOf(work.vgg`evaluate ${args} --json`);

  it('is dense, with mirror images, at the training scale by default', async () => {
    const { seconds, modelDetails, top1Error, meanClassError, loss, ...result } = await evaluate(
      ...words`${photos} --model ${model}`,
    );
    assert.ok(seconds > 0 && top1Error >= 0 && loss > 0);
    // Four images of each class.
    assert.ok(Math.abs(meanClassError - top1Error) < 1e-12);
    assert.match(modelDetails[0].sha256, /^[0-9a-f]{64}$/);
    assert.deepEqual(result, {
      ...{ split: 'val', trainedOn: 0, images: 12, labeled: 12, top5Error: 0 },
      ...{ protocol: 'dense', flip: true, scales: [36], models: [model], warnings: [] },
    });
  });

  it('--scales auto equals the list of the paper', async () => {
    const at = (scales: string) =>
      evaluate(...words`${photos} --model ${model} --scales ${scales} --protocol both`);
    const [auto, listed] = [await at('auto'), await at('40,32,36')];
    assert.deepEqual(auto.scales, [32, 36, 40]);
    assert.ok(Math.abs(listed.loss - auto.loss) < 1e-6);
    assert.equal(listed.top1Error, auto.top1Error);
  });

  it('writes one line for each image, from which the errors follow', async () => {
    const file = work.path('predictions.jsonl');
    const { images, top1Error } = await evaluate(photos, '--model', model, '--predictions', file);
    const lines = await readLines(file);
    assert.equal(lines.length, images);
    const paths = pluck(lines, 'path');
    assert.deepEqual(paths, paths.toSorted());
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
    assert.doesNotMatch((await readdir(work.folder)).join(), /journal/);
  });

  it('--details gives the error of each class and the confusion matrix', async () => {
    const args = [photos, '--model', model, '--details'];
    const { perClass, confusion, top1Error } = await evaluate(...args);
    assert.deepEqual(pluck(perClass, 'class'), CLASSES);
    assert.deepEqual(pluck(perClass, 'label'), ['a cat', 'a dog', 'a owl']);
    assert.deepEqual(pluck(perClass, 'images'), [4, 4, 4]);
    const hits = confusion.reduce((sum: number, row: number[], i: number) => sum + row[i]!, 0);
    assert.equal(top1Error, (12 - hits) / 12);
    const { stdout } = await work.vgg('evaluate', ...args);
    assert.match(stdout, /dense .* 12 .*a (cat|dog|owl).*predicted as/s);
  });

  it('averages models, which may have their classes in another order and another crop', async () => {
    const [one, other] = [model, work.path('other.safetensors')];
    const file = (name: string) => work.path(`${name}.jsonl`);
    for (const [name, ...models] of [
      ['a', one],
      ['b', other],
      ['both', one, other],
      ['twice', one, one],
    ] as const) {
      const args = models.flatMap((path) => ['--model', path]);
      await evaluate(...words`${photos} ${args} --scales 64 --predictions ${file(name)}`);
    }
    const files = ['a', 'b', 'both', 'twice'].map(file);
    const [a, b, both, twice] = await Promise.all(files.map(readLines));
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
    const zoo = work.path('zoo.safetensors');
    await writeRandomModel(zoo, ['cat', 'emu', 'owl']);
    const evaluation = work.vgg`evaluate ${photos} --model ${model} --model ${zoo}`;
    await failed(evaluation, 1, /only .*m\.safetensors has dog, only .*zoo\.safetensors has emu/);
  });

  it('classifies images without labels', async () => {
    const folder = work.path('unlabeled');
    await writeFiles(folder, { 'b.png': await png(40, 50, 3), 'a.jpg': await jpeg(60, 40, 4) });
    await failed(work.vgg`evaluate ${folder} --model ${model}`, 1, /holds images but no class folders/);
    const file = work.path('unlabeled.jsonl');
    const args = [folder, '--model', model, '--predictions', file];
    const { images, labeled, top1Error, top5Error, loss } = await evaluate(...args);
    assert.deepEqual([images, labeled, top1Error, top5Error, loss], [2, 0, null, null, null]);
    const lines = await readLines(file);
    assert.deepEqual(pluck(lines, 'path'), [`${folder}/a.jpg`, `${folder}/b.png`]);
    assert.ok(lines.every(({ label, labelIndex }) => label === null && labelIndex === null));
    const { stdout } = await work.vgg('evaluate', ...args, '--force');
    assert.match(stdout, / 2 .* – .* – /);
  });

  it('gives the same posteriors as vgg predict', async () => {
    const file = work.path('same.jsonl');
    const flags = words`--model ${model} --protocol both --scales 32,41`;
    await evaluate(photos, ...flags, '--predictions', file);
    const lines = (await readLines(file)).slice(0, 3);
    const { images } = await jsonOf(work.vgg`predict ${pluck(lines, 'path')} ${flags} --json --all`);
    for (const [i, { path, top, posteriors }] of images.entries()) {
      assert.equal(path, lines[i]!.path);
      assert.equal(posteriors.length, 3);
      for (const [place, { label, probability }] of lines[i]!.top.entries()) {
        assert.equal(top[place].label, label);
        assert.ok(Math.abs(top[place].probability - probability) < 1e-6);
      }
    }
  });

  it('finishes the other images when some are bad, names those and exits with 1', async () => {
    const folder = work.path('some bad');
    await writeFiles(folder, {
      'cat/1.png': await png(40, 40, 1),
      'cat/bad.png': 'text',
      'dog/2.jfif': await jpeg(40, 50, 2),
      'dog/empty.jpg': '',
      'owl/3.png': await png(50, 40, 3),
      'owl/4.heic': 'text',
    });
    await symlink('nowhere.png', `${folder}/owl/dangling.png`);
    const flags = words`--model ${model} --json`;
    const outcome = await work.vgg('evaluate', folder, ...flags);
    assert.equal(outcome.code, 1);
    const { images, bad, split } = JSON.parse(outcome.stdout);
    assert.deepEqual([images, bad.length, split], [3, 3, undefined]);
    assert.match(outcome.stderr, /note: 1 file was not used: 1 \.heic; convert/);
    assert.match(
      outcome.stderr,
      /3 of the 6 images of .*some bad cannot be used.*--skip-bad:(?:\n {2}.*(?:bad|empty|dangling)\..*){3}/,
    );
    const skipped = await succeeded(work.vgg('evaluate', folder, ...flags, '--skip-bad'));
    assert.deepEqual(JSON.parse(skipped.stdout).images, 3);
    assert.match(skipped.stderr, /3 of 6 images cannot be read and are left out/);
    const predicted = await work.vgg('predict', folder, '--model', model, '--json');
    assert.equal(predicted.code, 1);
    assert.equal(JSON.parse(predicted.stdout).images.length, 3);
    assert.match(predicted.stderr, /note: 1 file was not used.*3 of the 6 images cannot be used/s);
    await succeeded(work.vgg('predict', folder, '--model', model, '--skip-bad'));
    const submission = words`--submission s.txt --skip-bad`;
    await failed(
      work.vgg('evaluate', folder, ...flags, ...submission),
      2,
      /submission needs a line for each image/,
    );
  });

  it('has the split that was asked for, and names the split it used', async () => {
    const folder = work.path('train and test');
    for (const split of ['Train', 'Test']) {
      for (const name of CLASSES)
        await writeFiles(folder, { [`${split}/${name}/1.png`]: await png(40, 40, 1) });
    }
    const flags = ['--model', model];
    assert.equal((await evaluate(folder, ...flags)).split, 'test');
    assert.equal((await evaluate(folder, ...flags, '--split', 'test')).split, 'test');
    const val = work.vgg('evaluate', folder, ...flags, '--split', 'val');
    await failed(val, 1, /has no val split, only test images; use --split test, or add a val folder/);
    const undivided = work.vgg('evaluate', `${folder}/Test`, ...flags, '--split', 'test');
    await failed(undivided, 1, /is not divided into splits, so it has no test split; leave out --split/);
    assert.match(
      (await succeeded(work.vgg('evaluate', folder, ...flags))).stdout,
      /│ model +│ split .*\n.*\n│ [^│]+│ test /,
    );
  });

  const skip = process.getuid?.() !== 0 && 'only the superuser may become another user';
  it('works for a user without a home folder or a cache', { skip }, async () => {
    const nobody = words`--reuid 12345 --regid 12345 --clear-groups env -u HOME -u XDG_CACHE_HOME`;
    const command = [
      ...nobody,
      process.execPath,
      mainFile,
      'predict',
      `${photos}/val/cat/8.jpg`,
      '--model',
      model,
    ];
    await chmod(work.folder, 0o755);
    const { stdout } = await promisify(execFile)('setpriv', command);
    assert.match(stdout, /8\.jpg/);
  });

  it('refuses scales that are too small and missing folders before it starts', async () => {
    for (const [flags, code, message] of [
      ['--scales 36,20', 1, /the scale 20 is too small for .*m\.safetensors, whose crop is 32/],
      ['--predictions none/p.jsonl', 1, /none\/p\.jsonl cannot be written: its folder does not exist/],
      ['--protocol sparse', 2, /center, dense, crops, both/],
    ] as const) {
      await failed(work.vgg`evaluate ${photos} --model ${model} ${flags.split(' ')}`, code, message);
    }
  });

  it('accepts images of any aspect ratio', async () => {
    const folder = work.path('long');
    await writeFiles(folder, {
      'cat/wide.png': await png(1000, 50, 1),
      'dog/high.jpg': await jpeg(40, 800, 2),
      'owl/tiny.png': await png(1, 1),
    });
    assert.equal((await evaluate(folder, '--model', model, '--protocol', 'both')).images, 3);
  });
});

describe('vgg evaluate --submission', () => {
  const work = new Workplace();
  // The development kit's numbers do not follow the sorted order.
  const synsets = words`n01440764 n01443537 n01484850 n01491361 n01494475 n01496331`;
  const numbers = [449, 450, 442, 443, 444, 445];

  it('writes five numbers of the development kit per line, in file order', async () => {
    await writeRandomModel(work.path('m.safetensors'), synsets);
    const folder = work.path('ILSVRC2012_img_test');
    for (const number of [3, 1, 2]) {
      const image = await jpeg(50, 40 + number, number);
      await writeFiles(folder, { [`ILSVRC2012_test_0000000${number}.JPEG`]: image });
    }
    const outputs = words`--submission ${work.path('s.txt')} --predictions ${work.path('p.jsonl')}`;
    const model = work.path('m.safetensors');
    await succeeded(work.vgg`evaluate ${folder} --model ${model} --split test ${outputs}`);
    const lines = (await readFile(work.path('s.txt'), 'utf8')).trimEnd().split('\n');
    const predictions = await readLines(work.path('p.jsonl'));
    const images = predictions.map(({ path }) => path.slice(-6, -5));
    assert.deepEqual(images, ['1', '2', '3']);
    const expected = predictions.map(({ top }) => top.map(({ index }) => numbers[index]).join(' '));
    assert.deepEqual(lines, expected);
    assert.equal(lines[0]!.split(' ').length, 5);
  });

  it('is refused for classes that are not of ILSVRC', async () => {
    const cats = work.path('cats.safetensors');
    await writeRandomModel(cats, CLASSES);
    const output = words`--submission ${work.path('s2.txt')}`;
    const evaluation = work.vgg`evaluate ${work.path('photos')} --model ${cats} ${output}`;
    await failed(evaluation, 1, /the model's class "cat" is not a class of ILSVRC-2012/);
  });
});

describe('an evaluation that is stopped', () => {
  const work = new Workplace();
  const [many, model] = [work.path('many'), work.path('m.safetensors')];
  const args = words`evaluate ${many} --model ${model} --protocol both --scales 128,190 --batch 8 --json`;
  const predictions = work.path('p.jsonl');
  const journal = 'p.jsonl.journal';

  before(async () => {
    for (let i = 0; i < 60; i++) {
      const image = await jpeg(300 + 7 * (i % 5), 260 + 3 * (i % 4), i);
      await writeFiles(many, { [`${CLASSES[i % 3]}/${i}.jpg`]: image });
    }
    await writeRandomModel(model, CLASSES);
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

  it('by SIGKILL, again and again, ends with exactly the same results', async (t) => {
    const whole = await succeeded(work.vgg(...args, '--predictions', work.path('whole.jsonl')));
    const reached: number[] = [];
    for (let attempt = 0; attempt < 4; attempt++) {
      const resume = attempt === 0 ? [] : ['--resume'];
      const child = work.start(...args, '--predictions', predictions, ...resume);
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
    const resumed = await succeeded(work.vgg(...args, '--predictions', predictions, '--resume'));
    assert.match(resumed.stderr, /resuming after \d+ of 60 images/);
    assert.deepEqual(figures(resumed.stdout), figures(whole.stdout));
    assert.equal(await readFile(predictions, 'utf8'), await readFile(work.path('whole.jsonl'), 'utf8'));
    assert.ok(!(await readdir(work.folder)).includes(journal));
  });

  it('by Ctrl-C, exits with 130, explains how to resume, and resumes without a file name', async () => {
    const child = work.start(...args);
    const stderr = textOf(child, 'stderr');
    const folder = 'cache/verydeep/evaluations';
    const name = async () =>
      `${folder}/${(await readdir(work.path(folder)).catch(() => [])).find((file) => file.endsWith('.journal'))}`;
    while ((await linesIn(await name())) < 8) await sleep(5);
    child.kill('SIGINT');
    const [code] = await once(child, 'exit');
    assert.equal(code, 130, stderr());
    assert.match(stderr(), /stopped after \d+ of 60 images; continue with the same command and --resume/);
    const resumed = await succeeded(work.vgg(...args, '--resume'));
    assert.match(resumed.stderr, /resuming after \d+ of 60/);
    assert.equal(figures(resumed.stdout).images, 60);
    assert.deepEqual(await readdir(work.path(folder)), []);
  });

  it('is not resumed with other options', async () => {
    const file = work.path('kept.journal');
    const child = work.start(...args, '--journal', file);
    const ended = once(child, 'exit');
    await waitForImages(child, 'kept.journal', 3);
    child.kill('SIGKILL');
    await ended;
    const belongs = /kept\.journal belongs to an evaluation with another mirror-image setting/;
    await failed(work.vgg`${args} --journal ${file} --resume --no-flip`, 1, belongs);
    const none = await succeeded(work.vgg`${args} --journal ${work.path('new.journal')} --resume`);
    assert.match(none.stderr, /no interrupted evaluation found/);
  });
});
