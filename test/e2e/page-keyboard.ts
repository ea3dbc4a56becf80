/** Steps by keyboard. */
import assert from 'node:assert/strict';
import type { Page } from 'playwright-core';

/**
 * What has the focus: role or element, and name; and whether it can be told from the rest: itself, or the text beside
 * a hidden radio button. Asked at once, since a page may change between two questions.
 */
const FOCUS = `(() => {
  const one = document.activeElement;
  if (one.matches('body, main')) return { name: '', isSeen: true };
  const name = one.getAttribute('aria-label') ?? one.labels?.[0]?.textContent ?? one.textContent;
  const seen = one.type === 'radio' ? one.nextElementSibling : one;
  const { outlineStyle, outlineWidth } = getComputedStyle(seen);
  return {
    name: (one.type ?? one.tagName.toLowerCase()) + ' ' + name.replace(/\\s+/g, ' ').trim(),
    isSeen: outlineStyle !== 'none' && parseFloat(outlineWidth) >= 2,
  };
})()`;

interface Focus {
  readonly name: string;
  readonly isSeen: boolean;
}

/** Presses Tab until the focus is where it is wanted; every stop on the way must be visible. */
export async function tabTo(page: Page, wanted: RegExp): Promise<void> {
  const seen: string[] = [];
  for (let presses = 0; presses < 60; presses++) {
    await page.keyboard.press('Tab');
    const { name, isSeen } = (await page.evaluate(FOCUS)) as Focus;
    seen.push(name);
    assert.ok(isSeen, `${name} shows its focus`);
    if (wanted.test(name)) return;
  }
  assert.fail(`${wanted} was not reached by Tab: ${seen.join(', ')}`);
}
