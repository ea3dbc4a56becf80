import './no-eval.ts';

export * from '../../../src/web/index.ts';
