import type { Preferences } from '../core/preferences';

let isStage = false;
let apply = (): void => undefined;

/** Keeps the document light or dark: as the person chose, or else as the system is. */
export function followTheme(preferences: Preferences): void {
  const systemDark = matchMedia('(prefers-color-scheme: dark)');
  apply = () => {
    const chosen = preferences.get('theme');
    const isDark = isStage || chosen === 'dark' || (chosen === 'system' && systemDark.matches);
    document.documentElement.dataset.theme = isDark ? 'dark' : 'light';
  };
  systemDark.addEventListener('change', apply);
  preferences.all.subscribe(apply);
}

/** The meeting is dark whatever was chosen: faces stand out, and menus above it match. */
export function setStage(on: boolean): void {
  isStage = on;
  apply();
}
