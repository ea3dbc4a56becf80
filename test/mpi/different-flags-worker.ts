/** A rank of test/mpi/failures.test.ts: `vgg`, started with another seed by each rank. */
const rank = process.env.OMPI_COMM_WORLD_RANK ?? process.env.PMI_RANK;
process.argv.push('--seed', String(rank));
await import('../../src/cli/main.ts');
