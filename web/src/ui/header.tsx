import { hrefOf, VIEW_NAMES, VIEWS, type View } from '../state/route.ts';
import { type Theme, useTheme } from '../state/theme.ts';

export function Header({ view }: { readonly view: View }) {
  return (
    <header class="page-header">
      <button type="button" class="skip" onClick={() => document.getElementById('content')?.focus()}>
        Skip to content
      </button>
      <a class="brand" href={hrefOf('classify')}>
        <Mark />
        verydeep
      </a>
      <nav aria-label="Views">
        {VIEWS.map((name) => (
          <a key={name} href={hrefOf(name)} aria-current={name === view ? 'page' : undefined}>
            {VIEW_NAMES[name]}
          </a>
        ))}
      </nav>
      <ThemeChoice />
    </header>
  );
}

function Mark() {
  return (
    <svg viewBox="0 0 26 20" width="26" height="20" aria-hidden="true" class="mark">
      <rect x="0" y="0" width="4.4" height="20" rx="1.5" />
      <rect x="6.6" y="3" width="4.4" height="14" rx="1.5" />
      <rect x="13.2" y="6" width="4.4" height="8" rx="1.5" />
      <rect x="19.8" y="8" width="4.4" height="4" rx="1.5" class="last" />
    </svg>
  );
}

const NEXT: Readonly<Record<Theme, Theme>> = { auto: 'light', light: 'dark', dark: 'auto' };
const NAMES: Readonly<Record<Theme, string>> = { auto: 'system', light: 'light', dark: 'dark' };

function ThemeChoice() {
  const [theme, setTheme] = useTheme();
  return (
    <button
      type="button"
      class="theme quiet"
      aria-label={`Color theme: ${NAMES[theme]}. Switch to ${NAMES[NEXT[theme]]}`}
      title={`Color theme: ${NAMES[theme]}`}
      onClick={() => setTheme(NEXT[theme])}
    >
      <svg viewBox="0 0 24 24" width="20" height="20" aria-hidden="true">
        {theme === 'light' && (
          <>
            <circle cx="12" cy="12" r="4.2" class="fill" />
            <path d="M12 2.5v3M12 18.5v3M2.5 12h3M18.5 12h3M5.3 5.3l2.1 2.1M16.6 16.6l2.1 2.1M5.3 18.7l2.1-2.1M16.6 7.4l2.1-2.1" />
          </>
        )}
        {theme === 'dark' && <path d="M20 14.5A8.5 8.5 0 0 1 9.5 4a8.5 8.5 0 1 0 10.5 10.5z" class="fill" />}
        {theme === 'auto' && (
          <>
            <circle cx="12" cy="12" r="8.5" />
            <path d="M12 3.5a8.5 8.5 0 0 1 0 17z" class="fill" />
          </>
        )}
      </svg>
    </button>
  );
}
