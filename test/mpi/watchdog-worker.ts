/** Starts a watchdog as if MPICH had started this process, then ends with the exit code in its arguments, or waits. */
import { startWatchdog } from '../../src/comm/watchdog.ts';

startWatchdog((name) => `${name} died`, { MPI_LOCALRANKID: '0', PMI_FD: '2', PMI_RANK: '3' });
process.stdout.write('ready');
const [code] = process.argv.slice(2);
if (code === undefined) setInterval(() => {}, 1000);
else process.exit(Number(code));
