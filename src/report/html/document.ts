/** The frame of HTML reports: one self-contained file without scripts, style sheets or network requests. */

import { version } from '../../core/project.ts';

/** The colors and fonts of the page of `vgg serve` (web/src/styles). */
const STYLE = `
:root {
  color-scheme: light dark;
  --paper: light-dark(oklch(0.982 0.005 85), oklch(0.19 0.014 262));
  --panel: light-dark(oklch(1 0 0), oklch(0.228 0.016 262));
  --sunken: light-dark(oklch(0.955 0.007 85), oklch(0.275 0.018 262));
  --rule: light-dark(oklch(0.895 0.009 85), oklch(0.325 0.018 262));
  --ink: light-dark(oklch(0.255 0.022 262), oklch(0.93 0.008 85));
  --ink-soft: light-dark(oklch(0.475 0.02 262), oklch(0.73 0.014 262));
  --accent: light-dark(oklch(0.44 0.105 258), oklch(0.8 0.09 255));
  --good: light-dark(oklch(0.47 0.1 155), oklch(0.82 0.11 155));
  --bad: light-dark(oklch(0.49 0.17 27), oklch(0.8 0.11 25));
  --series-1: light-dark(oklch(0.5 0.14 258), oklch(0.74 0.12 255));
  --series-2: light-dark(oklch(0.6 0.17 45), oklch(0.76 0.14 55));
  --series-3: light-dark(oklch(0.55 0.12 165), oklch(0.78 0.12 165));
  --series-4: light-dark(oklch(0.52 0.19 350), oklch(0.72 0.16 350));
  --series-5: light-dark(oklch(0.62 0.12 90), oklch(0.84 0.13 95));
  --series-6: light-dark(oklch(0.5 0.17 300), oklch(0.74 0.13 300));
  --series-7: light-dark(oklch(0.58 0.1 215), oklch(0.8 0.09 210));
  --series-8: light-dark(oklch(0.45 0.06 60), oklch(0.72 0.05 60));
  --serif: "Iowan Old Style", "Palatino Linotype", Palatino, Charter, "Source Serif 4", Georgia, "DejaVu Serif", serif;
  font: 15px/1.5 system-ui, "Segoe UI", Roboto, "Helvetica Neue", "Noto Sans", "DejaVu Sans", sans-serif;
  color: var(--ink); background: var(--paper);
}
body { max-width: 54rem; margin: 2rem auto; padding: 0 1rem; }
h1, h2 { font-family: var(--serif); font-weight: 500; line-height: 1.2; overflow-wrap: anywhere; }
h1 { font-size: clamp(1.5rem, 4vw, 2.1rem); } h2 { font-size: 1.3rem; margin: 0 0 .6rem; } h3 { font-size: .95rem; margin: 1.6rem 0 .4rem; }
section { background: var(--panel); border: 1px solid var(--rule); border-radius: 12px; padding: clamp(.9rem, 2vw, 1.4rem); margin: 1.2rem 0; min-width: 0; }
a { color: var(--accent); } small, footer, .hint { color: var(--ink-soft); font-size: .85rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; } td, th { padding: .28rem .9rem .28rem 0; text-align: left; vertical-align: top; overflow-wrap: anywhere; }
th { font-weight: 500; color: var(--ink-soft); }
table.figures td, table.figures th { border-bottom: 1px solid var(--rule); overflow-wrap: normal; } .scroll { overflow-x: auto; }
figure { margin: 0; } svg { max-width: 100%; } figure, svg { background: none; color: var(--ink); } .matrix svg { max-width: none; }
pre { overflow-x: auto; padding: .8rem 1rem; background: var(--sunken); border-radius: 8px; font-size: .85rem; }
.narrow { display: none; } @media (max-width: 42rem) { .narrow { display: block; } .wide { display: none; } }
.mistakes { display: grid; grid-template-columns: repeat(auto-fill, minmax(15rem, 1fr)); gap: 1rem; }
.mistakes figure { margin: 0; overflow-wrap: anywhere; } .mistakes img { width: 48%; image-rendering: pixelated; } img.filters { image-rendering: pixelated; max-width: 100%; }
.verdict { white-space: nowrap; } .holds { color: var(--good); } .does-not-hold { color: var(--bad); }
`;

/** @param body HTML */
export function htmlDocument(title: string, body: string): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title)}</title>
<style>${STYLE}</style>
</head>
<body>
<main>
<h1>${escapeHtml(title)}</h1>
${body}
</main>
<footer>verydeep ${escapeHtml(version)}, ${new Date().toISOString().slice(0, 10)}</footer>
</body>
</html>
`;
}

export function factRow(name: string, value: string): string {
  return `<tr><th>${escapeHtml(name)}</th><td>${escapeHtml(value)}</td></tr>`;
}

export function pngUrl(png: Uint8Array): string {
  return `data:image/png;base64,${Buffer.from(png).toString('base64')}`;
}

const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };

export function escapeHtml(text: string): string {
  return text.replace(/[&<>"]/g, (character) => ENTITIES[character]!);
}
