import { render } from 'preact';
import { App } from './app.tsx';
import { applyTheme, storedTheme } from './state/theme.ts';

applyTheme(storedTheme());
render(<App />, document.getElementById('app')!);
