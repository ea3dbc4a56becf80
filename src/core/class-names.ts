/**
 * Compares class names. Names that differ only by Unicode normalization are the same: macOS stores `é` as `e` and an
 * accent, other systems as one character. Nothing here needs Node.
 */

/** The number of each class by its normalized name. */
export function numbersByName(classes: readonly string[]): Map<string, number> {
  const numbers = new Map<string, number>();
  for (const [number, name] of classes.entries()) {
    const key = name.normalize('NFC');
    if (!numbers.has(key)) numbers.set(key, number);
  }
  return numbers;
}

/** Whether class names are the whole numbers from 0 on, in any order: then they are class numbers. */
export function areClassNumbers(classes: readonly string[]): boolean {
  const names = new Set(classes);
  return classes.length > 0 && Array.from(classes, (_, number) => names.has(String(number))).every(Boolean);
}

/**
 * Compares names by code point, as Python does, so that classes have the numbers of torchvision's `ImageFolder`.
 * JavaScript compares UTF-16 code units, by which emoji and rare letters precede `ﬀ` (U+FB00) and full-width letters.
 */
export function byCodePoint(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  let at = 0;
  while (at < length && a.charCodeAt(at) === b.charCodeAt(at)) at++;
  return at === length ? a.length - b.length : rank(a.charCodeAt(at)) - rank(b.charCodeAt(at));
}

/** Surrogates, which are parts of code points from U+10000 on, come after all other code units. */
function rank(unit: number): number {
  if (unit < 0xd800) return unit;
  return unit < 0xe000 ? unit + 0x2000 : unit - 0x800;
}

/** Sorts class names: whole numbers by value, other names by code point. */
export function sortClasses(classes: readonly string[]): string[] {
  const areNumbers = classes.every((name) => /^(?:0|[1-9]\d{0,8})$/.test(name));
  return [...classes].sort(areNumbers ? (a, b) => Number(a) - Number(b) : byCodePoint);
}

/** Letters of other scripts that look like Latin ones, and those. */
const LOOK_ALIKES = new Map(
  [...'аaеeоoрpсcуyхxіiѕsјjһhԁdԛqԝwкkмmтtвbнhαaοoνvρpτtυuιiκkχxγyηnωw', ..."ıi0oℓl|l’'‘'‐-‑-–-—-−-"].flatMap(
    (letter, i, all) => (i % 2 === 0 ? [[letter, all[i + 1]!] as const] : []),
  ),
);

/** What is left of a name when everything is removed that is hard to see. */
function appearance(name: string): string {
  const plain = name
    .normalize('NFKC')
    .replace(/\p{Default_Ignorable_Code_Point}|\p{Cc}/gu, '')
    .toLowerCase();
  return [...plain.replace(/\s+/g, ' ').trim()].map((letter) => LOOK_ALIKES.get(letter) ?? letter).join('');
}

/** The name among `names` that looks like this one and is another. */
export function lookAlike(name: string, names: Iterable<string>): string | undefined {
  const key = name.normalize('NFC');
  const look = appearance(name);
  for (const other of names) if (appearance(other) === look && other.normalize('NFC') !== key) return other;
  return undefined;
}

/**
 * Where two names differ, as code points: `"cat " has U+0020 where "cat" ends`. Both are normalized, since only other
 * differences count.
 */
export function describeDifference(name: string, other: string): string {
  const [a, b] = [name, other].map((text) => [...text.normalize('NFC')]) as [string[], string[]];
  const at = a.findIndex((letter, i) => letter !== b[i]);
  if (at < 0) return describeDifference(other, name);
  const has = `"${name}" has ${codePoint(a[at]!)}`;
  return b[at] === undefined
    ? `${has} where "${other}" ends`
    : `${has} where "${other}" has ${codePoint(b[at])}`;
}

function codePoint(letter: string): string {
  return `U+${letter.codePointAt(0)!.toString(16).toUpperCase().padStart(4, '0')}`;
}

/**
 * Two classes of one set that differ only by spaces or characters that cannot be seen. (Case and letters of another
 * script may distinguish classes on purpose, as in sets of characters.)
 * @returns a sentence about them; undefined: there are none
 */
export function invisibleDifference(classes: readonly string[]): string | undefined {
  const seen = new Map<string, string>();
  for (const name of classes) {
    const visible = name
      .normalize('NFC')
      .replace(/\p{Default_Ignorable_Code_Point}|\p{Cc}/gu, '')
      .replace(/\s+/g, ' ')
      .trim();
    const other = seen.get(visible);
    if (other !== undefined && other.normalize('NFC') !== name.normalize('NFC')) {
      return `two classes look alike: ${describeDifference(name, other)}; rename one of them`;
    }
    seen.set(visible, name);
  }
  return undefined;
}

/**
 * Two classes of one set that look alike, such as `Cat` and `cat`, and may be one by mistake. Single characters are left
 * out: sets of letters have both cases.
 * @returns a sentence about them; undefined: there are none
 */
export function similarClasses(classes: readonly string[]): string | undefined {
  const seen = new Map<string, string>();
  for (const name of classes) {
    const look = appearance(name);
    const other = seen.get(look);
    if (other !== undefined && look.length > 1) {
      return `two classes look alike: ${describeDifference(name, other)}; if they are one class, give both the same name`;
    }
    seen.set(look, name);
  }
  return undefined;
}
