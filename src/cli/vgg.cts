#!/usr/bin/env node
/**
 * The entry point of `vgg`. It sets the size of libuv's thread pool, on which images are decoded: with Node's four
 * threads a machine with many cores would wait for images. The size counts only until the pool starts, and loading
 * an ES module starts it, so this file is CommonJS. The value is at least `defaultConcurrency`: no image waits for a
 * thread.
 */
const { availableParallelism } = process.getBuiltinModule('node:os');

process.env.UV_THREADPOOL_SIZE ??= String(Math.max(4, availableParallelism() + 2));
void import('./main.ts');
