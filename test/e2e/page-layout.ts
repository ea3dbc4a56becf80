/** Checks of a page's layout, as scripts for `page.evaluate`: the tests themselves have no DOM types. */

/**
 * Names of elements whose content is cut or scrolls within itself, and may not: only what can take the focus may
 * scroll, for then the keyboard reaches all of it.
 */
export const CUT_OFF = `[...document.querySelectorAll('main *')].filter((one) => {
  if (one.matches('.visually-hidden, .visually-hidden *, svg *, option, optgroup') || one.tabIndex >= 0) return false;
  const { overflowX, overflowY, textOverflow } = getComputedStyle(one);
  const across = overflowX !== 'visible' && textOverflow !== 'ellipsis' && one.scrollWidth > one.clientWidth + 1;
  const down = overflowY !== 'visible' && one.scrollHeight > one.clientHeight + 1;
  return one.clientWidth > 1 && (across || down);
}).map((one) => one.tagName.toLowerCase() + '.' + one.className)`;

/**
 * Pairs of texts that cover or touch each other: lines of text as they are drawn, and the boxes of badges, buttons
 * and fields. Lines of one paragraph may come as near as its line height lets them.
 */
export const COLLISIONS = `(() => {
  const NEAR = 3; // pixels that a line box may reach into the next: letters are not as tall
  const isSeen = (one) => one.checkVisibility({ visibilityProperty: true, opacityProperty: true }) &&
    !one.closest('.visually-hidden, .skip:not(:focus), thead, option, details:not([open]) > :not(summary)');
  const scrolled = (one) => one.closest('.scroller');
  const boxes = [];
  const add = (element, text, box) => {
    if (box.width > 1 && box.height > 1) boxes.push({ element, text: text.trim().replace(/\\s+/g, ' '), box });
  };
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let text = texts.nextNode(); text; text = texts.nextNode()) {
    if (!text.data.trim() || !isSeen(text.parentElement) || scrolled(text.parentElement)) continue;
    const range = document.createRange();
    range.selectNodeContents(text);
    for (const box of range.getClientRects()) add(text.parentElement, text.data, box);
  }
  for (const one of document.querySelectorAll('.state, button, a.button, select, input:not([type=radio]), progress')) {
    if (isSeen(one)) add(one, one.getAttribute('aria-label') ?? one.innerText ?? one.tagName, one.getBoundingClientRect());
  }
  const found = [];
  for (const [i, a] of boxes.entries()) {
    for (const b of boxes.slice(i + 1)) {
      if (a.element.contains(b.element) || b.element.contains(a.element)) continue;
      const across = Math.min(a.box.right, b.box.right) - Math.max(a.box.left, b.box.left);
      const down = Math.min(a.box.bottom, b.box.bottom) - Math.max(a.box.top, b.box.top);
      if (across > 1 && down > NEAR) found.push(a.text + ' | ' + b.text);
    }
  }
  return found;
})()`;
