/**
 * The VGG networks that torchvision publishes. A file's name ends with the first digits of its SHA-256.
 * https://pytorch.org/vision/stable/models/vgg.html
 */
const files = {
  vgg11: { file: 'vgg11-8a719046.pth', configuration: 'A', mebibytes: 506.84 },
  vgg11_bn: { file: 'vgg11_bn-6002323d.pth', configuration: 'A', mebibytes: 506.881 },
  vgg13: { file: 'vgg13-19584684.pth', configuration: 'B', mebibytes: 507.545 },
  vgg13_bn: { file: 'vgg13_bn-abd245e5.pth', configuration: 'B', mebibytes: 507.59 },
  vgg16: { file: 'vgg16-397923af.pth', configuration: 'D', mebibytes: 527.796 },
  vgg16_bn: { file: 'vgg16_bn-6c64b313.pth', configuration: 'D', mebibytes: 527.866 },
  vgg19: { file: 'vgg19-dcbb9e9d.pth', configuration: 'E', mebibytes: 548.051 },
  vgg19_bn: { file: 'vgg19_bn-c79401a0.pth', configuration: 'E', mebibytes: 548.143 },
} as const;

export type TorchvisionName = keyof typeof files;
export const torchvisionNames = Object.keys(files) as TorchvisionName[];

export const TORCHVISION_LICENSE = 'BSD-3-Clause';

interface PublishedFile {
  readonly file: string;
  readonly url: string;
  readonly sha256Prefix: string;
  /** Configuration of Table 1. */
  readonly configuration: string;
  /** Approximate size, in bytes. */
  readonly bytes: number;
}

/** VERYDEEP_TORCHVISION_URL names a mirror: the folder that holds the files. */
export function torchvisionFile(name: TorchvisionName): PublishedFile {
  const { file, configuration, mebibytes } = files[name];
  const base = process.env.VERYDEEP_TORCHVISION_URL || 'https://download.pytorch.org/models';
  return {
    file,
    url: `${base.replace(/\/+$/, '')}/${file}`,
    sha256Prefix: /-([0-9a-f]{8})\.pth$/.exec(file)![1]!,
    configuration,
    bytes: Math.round(mebibytes * 2 ** 20),
  };
}
