import { mount } from 'svelte';
import './app.css';
import { Preferences } from './core/preferences';
import { LOCALES, pickLocale, setLocale, type Locale } from './locales';
import App from './ui/App.svelte';
import { followTheme } from './ui/theme';

const preferences = new Preferences();
followTheme(preferences);

const chosen = preferences.get('locale');
const isKnown = (tag: string | null): tag is Locale => tag !== null && tag in LOCALES;
await setLocale(isKnown(chosen) ? chosen : pickLocale(navigator.languages));

const target = document.getElementById('app');
if (!target) throw new Error('index.html has an element with the id "app"');
mount(App, { target, props: { preferences } });
