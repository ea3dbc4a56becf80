/**
 * The first key that an object in a JSON text has twice, or undefined. JSON.parse keeps the last of them in
 * silence. The text must be valid JSON already.
 */
export function duplicateKey(json: string): string | undefined {
  // One set of keys for every object that is open; undefined for an array.
  const open: (Set<string> | undefined)[] = [];
  for (let at = 0; at < json.length; at++) {
    switch (json[at]) {
      case '{':
        open.push(new Set());
        break;
      case '[':
        open.push(undefined);
        break;
      case '}':
      case ']':
        open.pop();
        break;
      case '"': {
        const end = endOfString(json, at);
        if (isKey(json, end)) {
          const key = JSON.parse(json.slice(at, end)) as string;
          const keys = open.at(-1);
          if (keys?.has(key)) return key;
          keys?.add(key);
        }
        at = end - 1;
      }
    }
  }
  return undefined;
}

/** The place after the closing quotation mark of the string that opens at `start`. */
function endOfString(json: string, start: number): number {
  let at = start + 1;
  while (json[at] !== '"') at += json[at] === '\\' ? 2 : 1;
  return at + 1;
}

/** Whether a colon follows, white space aside: in valid JSON it stands after keys only. */
function isKey(json: string, end: number): boolean {
  let at = end;
  while (' \t\n\r'.includes(json[at] ?? '!')) at++;
  return json[at] === ':';
}
