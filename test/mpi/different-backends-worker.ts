/** A rank of test/mpi/gpus.test.ts: `vgg`, on GPUs as the first rank and on the processor as the others. */
const rank = process.env.OMPI_COMM_WORLD_RANK ?? process.env.PMI_RANK;
const backend = rank === '0' ? ['webgpu', '--gpus', 'all'] : ['reference'];
process.argv.push('--backend', ...backend);
await import('../../src/cli/main.ts');
