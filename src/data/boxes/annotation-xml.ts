/**
 * Annotations of one image as XML, as PASCAL VOC and ILSVRC have them:
 * `<annotation><size>…</size><object><name>…</name><difficult>0</difficult><bndbox><xmin>…</bndbox></object>…</annotation>`.
 */
import type { Box } from '../../core/boxes.ts';
import { UserError } from '../../core/errors.ts';
import { boxInImage, checkBox } from './box-in-image.ts';

export interface AnnotatedObject {
  /** A class: a synset in ILSVRC, a word in VOC. */
  readonly name: string;
  readonly isDifficult: boolean;
  readonly box: Box;
}

interface Element {
  readonly name: string;
  readonly children: Element[];
  text: string;
}

const TOKEN = /<[?!][^>]*>|<(\/?)([\w:.-]+)(?:\s[^<>]*?)?(\/?)>|([^<>]+)/gy;

/**
 * @param path the file, for messages
 * @param first number of the first pixel: 1 in VOC, 0 in ILSVRC
 * @throws UserError for a file that is not complete, an object without name or box, and a box outside the image
 */
export function parseAnnotation(text: string, path: string, first: 0 | 1): AnnotatedObject[] {
  const root = parseXml(text, path);
  if (root?.name !== 'annotation') {
    throw new UserError(`${path} has no element <annotation>; unpack the annotations again`);
  }
  const [width, height] = ['width', 'height'].map((name) => Number(textOf(childOf(root, 'size'), name) ?? 0));
  return root.children
    .filter(({ name }) => name === 'object')
    .map((object, number) => {
      const place = `${path}: object ${number + 1}`;
      const name = textOf(object, 'name');
      const corners = childOf(object, 'bndbox');
      if (name === undefined || corners === undefined) {
        throw new UserError(`${place} has no <${name === undefined ? 'name' : 'bndbox'}>; add it`);
      }
      const [xmin, ymin, xmax, ymax] = ['xmin', 'ymin', 'xmax', 'ymax'].map((corner) =>
        Number(textOf(corners, corner) ?? Number.NaN),
      ) as [number, number, number, number];
      const box = {
        left: xmin - first,
        top: ymin - first,
        right: xmax - first + 1,
        bottom: ymax - first + 1,
      };
      const checked = checkBox(box, place);
      return {
        name,
        isDifficult: textOf(object, 'difficult') === '1',
        box: width && height ? boxInImage(checked, { width, height }, place) : checked,
      };
    });
}

function parseXml(text: string, path: string): Element | undefined {
  const document: Element = { name: '', children: [], text: '' };
  const open = [document];
  TOKEN.lastIndex = 0;
  const source = text.replace(/^\uFEFF/, '');
  const broken = () =>
    new UserError(`${path} is not complete XML; unpack the annotations again or correct the file`);
  while (TOKEN.lastIndex < source.length) {
    const token = TOKEN.exec(source);
    if (!token) throw broken();
    const [, closes, name, empty, content] = token;
    if (content !== undefined) open.at(-1)!.text += content;
    else if (closes) {
      if (open.length === 1 || open.pop()!.name !== name) throw broken();
    } else if (name !== undefined) {
      const element: Element = { name, children: [], text: '' };
      open.at(-1)!.children.push(element);
      if (!empty) open.push(element);
    }
  }
  if (open.length !== 1) throw broken();
  return document.children[0];
}

function childOf(element: Element | undefined, name: string): Element | undefined {
  return element?.children.find((child) => child.name === name);
}

function textOf(element: Element | undefined, name: string): string | undefined {
  const text = childOf(element, name)?.text.trim();
  return text === '' ? undefined : text;
}
