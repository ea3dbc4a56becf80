/**
 * How V8 looks after the heap of a server whose memory is images: each request leaves half a megabyte of pixels
 * outside the heap, which the young generation's collector frees within seconds.
 *
 * V8 counts those bytes against the old generation's room to grow, some megabytes with a heap of 30, and goes through
 * the whole heap once they are used up: every second with D at 20 images a second, 2 % of two cores' time. Whether
 * it does depends on whether a model file was in memory when it looked last, and so from start to start. With room
 * to grow to four times its size it did so no more in 12 to 25 seconds of load; a heap of 30 MB then takes 120 at most.
 */
import { setFlagsFromString } from 'node:v8';

/** For the whole process: before its work begins. */
export function letHeapGrow(): void {
  setFlagsFromString('--heap-growing-percent=300');
}
