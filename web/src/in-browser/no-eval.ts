/** zod compiles its checks with eval where it may; the page's Content-Security-Policy forbids that, and says so. */
import { config } from 'zod';

config({ jitless: true });
