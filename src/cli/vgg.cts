#!/usr/bin/env node
/**
 * Where `vgg` starts: a CommonJS file, because Node reads its own modules of the other kind on the very threads whose
 * number is to be set, and that number counts only until the first of them is there. sharp decodes on them: with
 * Node's four, a machine of many cores would wait for its images. The same as `defaultConcurrency`, with all of which
 * busy nobody waits.
 */
const { availableParallelism } = process.getBuiltinModule('node:os');

process.env.UV_THREADPOOL_SIZE ??= String(Math.max(4, availableParallelism() + 2));
void import('./main.ts');
