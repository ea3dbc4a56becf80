/** The WebAssembly backend whose engine runs in Chromium, for the suites of Node: its messages go through the page. */
import { after } from 'node:test';
import type { Reply } from '../../src/kernels/wasm/protocol.ts';
import { WasmBackend } from '../../src/kernels/wasm/wasm-backend.ts';
import type { WasmModule } from '../../src/kernels/wasm/web-assembly.ts';
import { WebPage } from '../browser/web-page.ts';

/** JavaScript of both sides: messages as text, with their arrays of numbers in base64. */
const CODEC = `
  const encode = (message) => JSON.stringify(message, (_, value) => {
    if (!ArrayBuffer.isView(value)) return value;
    const bytes = new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
    let text = '';
    for (let at = 0; at < bytes.length; at += 8192) text += String.fromCharCode(...bytes.subarray(at, at + 8192));
    return { array: value.constructor.name, base64: btoa(text) };
  });
  const decode = (text) => JSON.parse(text, (_, value) => {
    if (value?.base64 === undefined) return value;
    const bytes = Uint8Array.from(atob(value.base64), (letter) => letter.charCodeAt(0));
    return new globalThis[value.array](bytes.buffer);
  });`;

/** The page's side. */
const ENGINE = `
  ${CODEC}
  const { compressed } = await import('/src/kernels/wasm/binary/simd.js');
  const { fromBase64 } = await import('/src/kernels/wasm/module.js');
  const stream = new Blob([fromBase64(compressed)]).stream().pipeThrough(new DecompressionStream('gzip'));
  const module = await WebAssembly.compile(await new Response(stream).arrayBuffer());
  const worker = new Worker('/src/kernels/wasm/browser-worker.js', { type: 'module' });
  worker.onmessage = ({ data }) => reply(encode(data));
  window.post = (text) => {
    const message = decode(text);
    worker.postMessage(message.engine ? { engine: { ...message.engine, module } } : message);
  };`;

const { encode, decode } = new Function(`${CODEC} return { encode, decode };`)() as {
  encode(message: unknown): string;
  decode(text: string): unknown;
};

/** Two threads over shared memory, with plain SIMD. The browser is closed after the tests. */
export async function openWasmInChromium(): Promise<WasmBackend> {
  const web = await WebPage.open({}, { gpu: false, isolated: true });
  let isOpen = true;
  after(() => {
    isOpen = false;
    return web.close();
  });
  let onReply: (reply: Reply) => void = () => {};
  await web.page.exposeFunction('reply', (text: string) => onReply(decode(text) as Reply));
  await web.run(ENGINE);
  // Calls must arrive in order.
  let posted: Promise<unknown> = Promise.resolve();
  const backend = new WasmBackend(
    {
      post: (message) => {
        const text = encode(message);
        posted = posted
          .then(() => isOpen && web.page.evaluate(`post(${JSON.stringify(text)})`))
          .catch((error) => {
            if (isOpen) throw error;
          });
      },
      listen: (take) => {
        onReply = take;
      },
      hold: () => {},
      end: () => {},
    },
    // The page has the module.
    { module: undefined as unknown as WasmModule, threads: 2, shared: true },
    'simd',
  );
  await backend.started;
  return backend;
}
