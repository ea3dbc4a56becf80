/** The frame of HTML reports: one self-contained file without scripts, style sheets or network requests. */

const STYLE = `
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 52rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; } td, th { padding: .2rem .8rem .2rem 0; text-align: left; vertical-align: top; }
figure, svg { max-width: 100%; background: #fff; color: #111; } pre { overflow-x: auto; }
.mistakes { display: grid; grid-template-columns: repeat(auto-fill, minmax(15rem, 1fr)); gap: 1rem; }
.mistakes figure { margin: 0; overflow-wrap: anywhere; } .mistakes img { width: 48%; image-rendering: pixelated; } img.filters { image-rendering: pixelated; max-width: 100%; }
table.figures td, table.figures th { border-bottom: 1px solid #8884; } .scroll { overflow-x: auto; }
.verdict { white-space: nowrap; } .holds { color: #15803d; } .does-not-hold { color: #c2410c; }
@media (prefers-color-scheme: dark) { .holds { color: #4ade80; } .does-not-hold { color: #fb923c; } }
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
<h1>${escapeHtml(title)}</h1>
${body}
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
