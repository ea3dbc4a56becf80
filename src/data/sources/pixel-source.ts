/** Small images that stand in memory as they came: IDX and CIFAR. */
import { createHash } from 'node:crypto';
import type { ImageSource, RgbImage, Split, StoredImage } from './source.ts';

export interface PixelSourceFacts {
  readonly location: string;
  readonly split: Split;
  /** The file that holds an image and its number there. */
  readonly imageName: (index: number) => string;
  readonly classes: readonly string[];
  readonly labels?: readonly string[];
  /** `[count]` */
  readonly classNumbers: Uint8Array;
  /** The bytes that the images and labels were read from. */
  readonly content: readonly Uint8Array[];
  readonly image: (index: number) => RgbImage;
}

export class PixelSource implements ImageSource {
  readonly location: string;
  readonly split: Split;
  readonly classes: readonly string[];
  readonly labels: readonly string[];
  readonly #facts: PixelSourceFacts;
  #fingerprint: string | undefined;

  constructor(facts: PixelSourceFacts) {
    this.location = facts.location;
    this.split = facts.split;
    this.classes = facts.classes;
    this.labels = facts.labels ?? facts.classes;
    this.#facts = facts;
  }

  get length(): number {
    return this.#facts.classNumbers.length;
  }

  label(index: number): number {
    return this.#facts.classNumbers[index]!;
  }

  imageName(index: number): string {
    return this.#facts.imageName(index);
  }

  async read(index: number): Promise<StoredImage> {
    return { kind: 'pixels', image: this.#facts.image(index) };
  }

  /** All of the content: it is in memory, so no shortcut is needed. */
  async fingerprint(): Promise<string> {
    if (this.#fingerprint === undefined) {
      const hash = createHash('sha256').update(`pixels\0${this.classes.join('\0')}\0\0`);
      for (const bytes of this.#facts.content) hash.update(bytes);
      this.#fingerprint = hash.digest('hex');
    }
    return this.#fingerprint;
  }
}
