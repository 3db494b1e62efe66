/**
 * The page's words. `t` reads reactive state: a component that calls it is drawn again when the
 * language changes. One language is loaded at a time.
 */
import type english from './en';
import type englishAdmin from './en/admin';
import type { KeyOf, Message, PlainKeyOf, ValuesFor } from './types';

export type Catalogue = typeof english & { admin: typeof englishAdmin };
export type MessageKey = KeyOf<Catalogue>;
/** A key whose message needs no values. */
export type PlainKey = PlainKeyOf<Catalogue>;

/** BCP 47 tags of the languages that the page speaks, and each one's own name. */
export const LOCALES = { en: 'English', 'zh-CN': '简体中文' } as const;
export type Locale = keyof typeof LOCALES;

type Messages = Readonly<Record<string, Readonly<Record<string, Message>>>>;
type Values = Readonly<Record<string, string | number>>;

const LOADERS: Record<Locale, () => Promise<{ default: Messages }>> = {
  en: () => import('./en'),
  'zh-CN': () => import('./zh-CN'),
};

/** Words of pages that few people open; they come with those pages. */
const PARTS = {
  admin: { en: () => import('./en/admin'), 'zh-CN': () => import('./zh-CN/admin') },
} satisfies Record<string, Record<Locale, () => Promise<{ default: Messages[string] }>>>;
type Part = keyof typeof PARTS;
let inUse: readonly Part[] = [];

interface Loaded {
  readonly locale: Locale;
  readonly messages: Messages;
  readonly plural: Intl.PluralRules;
  readonly number: Intl.NumberFormat;
}

let loaded = $state.raw<Loaded>({
  locale: 'en',
  messages: {},
  plural: new Intl.PluralRules('en'),
  number: new Intl.NumberFormat('en'),
});

/** The language in use. */
export function locale(): Locale {
  return loaded.locale;
}

/** Loads a language and shows it; the document says so too, for screen readers and line breaking. */
export async function setLocale(next: Locale): Promise<void> {
  const [{ default: main }, ...parts] = await Promise.all([
    LOADERS[next](),
    ...inUse.map(async (part) => [part, (await PARTS[part][next]()).default] as const),
  ]);
  const messages = { ...main, ...Object.fromEntries(parts) };
  loaded = {
    locale: next,
    messages,
    plural: new Intl.PluralRules(next),
    number: new Intl.NumberFormat(next),
  };
  document.documentElement.lang = next;
}

/** Loads the words of a part of the page, and from then on with every language. */
export async function loadPart(part: Part): Promise<void> {
  const tag = loaded.locale;
  const { default: words } = await PARTS[part][tag]();
  if (!inUse.includes(part)) inUse = [...inUse, part];
  // Another language may have been chosen meanwhile, without these words.
  if (loaded.locale !== tag) await setLocale(loaded.locale);
  else loaded = { ...loaded, messages: { ...loaded.messages, [part]: words } };
}

/** The first of the person's languages that the page speaks; any Chinese is better than English to its readers. */
export function pickLocale(wanted: readonly string[]): Locale {
  for (const tag of wanted) {
    const language = tag.toLowerCase().split('-')[0];
    if (language === 'zh') return 'zh-CN';
    if (language === 'en') return 'en';
  }
  return 'en';
}

/** The message for `key`, with its values filled in. */
export function t<Key extends MessageKey>(key: Key, ...[values]: ValuesFor<Catalogue, Key>): string {
  return render(key, values) ?? key;
}

/**
 * The message for a key that arrives as data (a notice's kind, an error's code); undefined when
 * there is none, so that the caller chooses what to say instead.
 */
export function translateDynamic(key: string, values: Values = {}): string | undefined {
  return render(key, values);
}

function render(key: string, values: Values = {}): string | undefined {
  const dot = key.indexOf('.');
  const message = loaded.messages[key.slice(0, dot)]?.[key.slice(dot + 1)];
  if (message === undefined) return undefined;
  return fill(choose(message, values), values);
}

function choose(message: Message, values: Values): string {
  if (typeof message === 'string') return message;
  return message[loaded.plural.select(Number(values.count))] ?? message.other;
}

/** Values are put in once and never looked at again: a person called `{name}` stays that. */
function fill(text: string, values: Values): string {
  return text.replace(/\{(\w+)\}/g, (placeholder, name: string) => {
    const value = values[name];
    if (value === undefined) return placeholder;
    return typeof value === 'number' ? loaded.number.format(value) : value;
  });
}

export function formatNumber(value: number, options?: Intl.NumberFormatOptions): string {
  return new Intl.NumberFormat(loaded.locale, options).format(value);
}

/** A moment, given in milliseconds since 1970-01-01 UTC, in the person's time zone. */
export function formatDate(unixMs: number, options?: Intl.DateTimeFormatOptions): string {
  return new Intl.DateTimeFormat(loaded.locale, options).format(unixMs);
}

/** How long ago a moment was, in the largest unit that fits: "2 hours ago", "yesterday". */
export function formatAgo(unixMs: number, nowMs: number): string {
  const format = new Intl.RelativeTimeFormat(loaded.locale, { numeric: 'auto' });
  const seconds = Math.min(0, (unixMs - nowMs) / 1000);
  for (const [unit, size] of AGO_UNITS) {
    if (-seconds >= size) return format.format(Math.round(seconds / size), unit);
  }
  return format.format(0, 'second');
}

const AGO_UNITS: readonly [Intl.RelativeTimeFormatUnit, number][] = [
  ['year', 365 * 86_400],
  ['month', 30 * 86_400],
  ['day', 86_400],
  ['hour', 3_600],
  ['minute', 60],
];

/** A length of time as a clock shows it: `4:07`, `1:02:33`. */
export function formatDuration(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const two = (value: number) => String(value).padStart(2, '0');
  const [h, m, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  return h > 0 ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}

/** A length of time in a sentence, to the minute, below one to the second: "1 hour 5 minutes". */
export function formatSpan(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  const unit = (value: number, name: string) =>
    formatNumber(value, { style: 'unit', unit: name, unitDisplay: 'long' });
  if (seconds < 60) return unit(seconds, 'second');
  const minutes = Math.round(seconds / 60);
  const [h, m] = [Math.floor(minutes / 60), minutes % 60];
  const parts = [...(h > 0 ? [unit(h, 'hour')] : []), ...(m > 0 || h === 0 ? [unit(m, 'minute')] : [])];
  return new Intl.ListFormat(loaded.locale, { type: 'unit', style: 'narrow' }).format(parts);
}

/** Names in a sentence: "Ada, Bo and Chen". */
export function formatList(items: readonly string[]): string {
  return new Intl.ListFormat(loaded.locale, { type: 'conjunction' }).format(items);
}
