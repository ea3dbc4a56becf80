/** Where the demo's images are. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { projectFolder } from '../../core/project.ts';

/** Where Debian's package dataset-fashion-mnist puts its files. */
export const FASHION_MNIST = '/usr/share/datasets/fashion-mnist';

/** The first 2,000 training and 1,000 test images, which come with verydeep. */
export const FASHION_MNIST_PART: string = join(projectFolder, 'images', 'fashion-mnist-part');

/** The whole data set if it is installed, otherwise the part that comes with verydeep. */
export function findFashionMnist(): string {
  return existsSync(FASHION_MNIST) ? FASHION_MNIST : FASHION_MNIST_PART;
}
