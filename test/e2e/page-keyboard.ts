/** Tests of the page that have no mouse. */
import assert from 'node:assert/strict';
import type { Page } from 'playwright-core';

/** What has the focus: role or element, and name. */
const FOCUSED = `(() => {
  const one = document.activeElement;
  if (one.matches('body, main')) return '';
  const name = one.getAttribute('aria-label') ?? one.labels?.[0]?.textContent ?? one.textContent;
  return (one.type ?? one.tagName.toLowerCase()) + ' ' + name.replace(/\\s+/g, ' ').trim();
})()`;

/** Whether what has the focus can be told from the rest: itself, or the text beside a hidden radio button. */
const SHOWS_FOCUS = `(() => {
  const one = document.activeElement;
  const seen = one.type === 'radio' ? one.nextElementSibling : one;
  const { outlineStyle, outlineWidth } = getComputedStyle(seen);
  return outlineStyle !== 'none' && parseFloat(outlineWidth) >= 2;
})()`;

/** Presses Tab until the focus is where it is wanted; every stop on the way must be visible. */
export async function tabTo(page: Page, wanted: RegExp): Promise<void> {
  const seen: string[] = [];
  for (let presses = 0; presses < 60; presses++) {
    await page.keyboard.press('Tab');
    const focused = (await page.evaluate(FOCUSED)) as string;
    seen.push(focused);
    if (focused !== '') assert.ok(await page.evaluate(SHOWS_FOCUS), `${focused} shows its focus`);
    if (wanted.test(focused)) return;
  }
  assert.fail(`${wanted} was not reached by Tab: ${seen.join(', ')}`);
}
