import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { imagesOfFolder } from '../../src/browser/folder.ts';

function folder(...paths: string[]) {
  return imagesOfFolder(paths.map((webkitRelativePath) => ({ webkitRelativePath })));
}

const pairs = (files: readonly { file: { webkitRelativePath: string }; label: string }[] | undefined) =>
  files?.map(({ file, label }) => `${label}: ${file.webkitRelativePath}`);

describe('a chosen folder', () => {
  it('has a class for each of its folders, in the order of vgg train', () => {
    const { name, classes, training, validation } = folder(
      'photos/owl/2.PNG',
      'photos/cat/b.webp',
      'photos/cat-2/x.jpg',
      'photos/cat/a/c.jpeg',
      'photos/cat/.hidden.jpg',
      'photos/.git/a.png',
      'photos/readme.txt',
      'photos/lonely.jpg',
    );
    assert.equal(name, 'photos');
    assert.deepEqual(classes, ['cat', 'cat-2', 'owl']);
    assert.deepEqual(pairs(training), [
      'cat: photos/cat/a/c.jpeg',
      'cat: photos/cat/b.webp',
      'cat-2: photos/cat-2/x.jpg',
      'owl: photos/owl/2.PNG',
    ]);
    assert.equal(validation, undefined);
  });

  it('may be divided into training and validation', () => {
    const files = ['p/train/b/1.png', 'p/train/a/1.png', 'p/test/a/3.png', 'p/val/b/2.png'];
    const { classes, training, validation } = folder(...files);
    assert.deepEqual(classes, ['a', 'b']);
    assert.deepEqual(pairs(training), ['a: p/train/a/1.png', 'b: p/train/b/1.png']);
    assert.deepEqual(pairs(validation), ['b: p/val/b/2.png']);
    assert.deepEqual(pairs(folder(...files.slice(0, 3)).validation), ['a: p/test/a/3.png']);
  });

  it('may be divided by folders in any case and spelling', () => {
    for (const [train, val] of [
      ['Train', 'Test'],
      ['training_set', 'valid'],
      ['TRAINING', 'dev'],
    ] as const) {
      const { classes, validation } = folder(`p/${train}/a/1.png`, `p/${train}/b/1.png`, `p/${val}/b/2.png`);
      assert.deepEqual([classes, pairs(validation)], [['a', 'b'], [`b: p/${val}/b/2.png`]]);
    }
  });

  it('has classes that match after Unicode normalization', () => {
    const { validation } = folder('p/train/e\u0301/1.jfif', 'p/train/b/1.png', 'p/val/\u00e9/1.png');
    assert.equal(validation![0]!.label, '\u00e9');
  });

  it('may have a class called train', () => {
    const { classes, validation } = folder('p/train/1.png', 'p/bus/1.png');
    assert.deepEqual(classes, ['bus', 'train']);
    assert.equal(validation, undefined);
  });

  it('is refused with a sentence unless it has two classes', () => {
    for (const [files, message] of [
      [
        [],
        /^the folder has no subfolders with JPEG, PNG or WebP images: choose a folder with one subfolder of images/,
      ],
      [['p/1.png', 'p/2.png'], /^the folder "p" has no subfolders with JPEG/],
      [['p/cat/1.png'], /^the folder "p" has images of one class only: choose/],
      [['p/Train/1.png', 'p/Test/1.png'], /"p" is divided \(Test, Train\), but has no classes inside/],
      [
        ['p/a/train/1.png', 'p/a/test/1.png', 'p/b/train/1.png', 'p/b/test/1.png'],
        /^p: each class is divided into splits \(a\/train, a\/test\); put the split folders at the top/,
      ],
      [['p/cat/1.png', 'p/dog/1.txt'], /^the folder "p" has images of one class only/],
    ] as const) {
      assert.throws(() => folder(...files), { name: 'UserError', message });
    }
  });
});
