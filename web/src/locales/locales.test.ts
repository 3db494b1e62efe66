import { beforeEach, describe, expect, it } from 'vitest';
import enMain from './en';
import enAdmin from './en/admin';
import zhMain from './zh-CN';
import zhAdmin from './zh-CN/admin';
import { formatDuration, loadPart, pickLocale, setLocale, t, translateDynamic } from './i18n.svelte';
import type { Message } from './types';

const en = { ...enMain, admin: enAdmin };
const zh = { ...zhMain, admin: zhAdmin };
const languages: Record<string, Record<string, Record<string, Message>>> = { en, 'zh-CN': zh };

function texts(message: Message): string[] {
  return typeof message === 'string' ? [message] : Object.values(message);
}

function placeholders(text: string): string[] {
  return [...text.matchAll(/\{(\w+)\}/g)].map((match) => match[1]!).sort();
}

describe('every language', () => {
  it('has the same namespaces and keys', () => {
    const keys = (catalogue: (typeof languages)[string]) =>
      Object.entries(catalogue).flatMap(([name, messages]) =>
        Object.keys(messages).map((key) => `${name}.${key}`),
      );
    expect(keys(languages['zh-CN']!).sort()).toEqual(keys(languages.en!).sort());
  });

  it('says something under every key', () => {
    for (const catalogue of Object.values(languages)) {
      for (const messages of Object.values(catalogue)) {
        for (const message of Object.values(messages)) {
          for (const text of texts(message)) expect(text.trim()).not.toBe('');
        }
      }
    }
  });

  it('uses the placeholders of the English message', () => {
    for (const [name, messages] of Object.entries(languages.en!)) {
      for (const [key, message] of Object.entries(messages)) {
        const wanted = new Set(texts(message).flatMap(placeholders));
        wanted.delete('count'); // Some forms say "one" or nothing instead of the number.
        for (const text of texts(languages['zh-CN']![name]![key]!)) {
          const given = placeholders(text).filter((placeholder) => placeholder !== 'count');
          expect(new Set(given), `${name}.${key}`).toEqual(wanted);
        }
      }
    }
  });

  it('has the plural forms that its grammar needs', () => {
    for (const [tag, catalogue] of Object.entries(languages)) {
      const categories = new Intl.PluralRules(tag).resolvedOptions().pluralCategories.toSorted();
      for (const [name, messages] of Object.entries(catalogue)) {
        for (const [key, message] of Object.entries(messages)) {
          if (typeof message === 'string') continue;
          expect(Object.keys(message).toSorted(), `${tag} ${name}.${key}`).toEqual(categories);
        }
      }
    }
  });
});

describe('t', () => {
  beforeEach(() => setLocale('en'));

  it('chooses the plural form and formats the number', () => {
    expect(t('home.tooLong', { count: 1 })).toBe('A name has at most 1 character.');
    expect(t('home.tooLong', { count: 1234 })).toBe('A name has at most 1,234 characters.');
  });

  it('does not look for placeholders inside values', () => {
    expect(t('home.forget', { room: '{room}{when}' })).toBe('Remove {room}{when} from the list');
  });

  it('switches the language and tells the document', async () => {
    await setLocale('zh-CN');
    expect(t('home.start')).toBe('发起会议');
    expect(document.documentElement.lang).toBe('zh-CN');
  });

  it('has the words of a part when that is loaded, in every language from then on', async () => {
    expect(translateDynamic('admin.title')).toBeUndefined();
    await loadPart('admin');
    expect(t('admin.title')).toBe('Administration');
    await setLocale('zh-CN');
    expect(t('admin.title')).toBe('管理');
  });

  it('finds nothing for a key that does not exist', () => {
    expect(translateDynamic('notice.no-such-thing')).toBeUndefined();
    expect(translateDynamic('nothing')).toBeUndefined();
  });
});

describe('pickLocale', () => {
  it.each([
    [['zh-TW', 'en'], 'zh-CN'],
    [['de-DE', 'zh-Hans-CN'], 'zh-CN'],
    [['en-GB', 'zh-CN'], 'en'],
    [['de'], 'en'],
    [[], 'en'],
  ])('%j → %s', (wanted, expected) => expect(pickLocale(wanted)).toBe(expected));
});

describe('formatDuration', () => {
  it.each([
    [0, '0:00'],
    [61_500, '1:01'],
    [3_753_000, '1:02:33'],
    [-5, '0:00'],
  ])('%d ms → %s', (ms, text) => expect(formatDuration(ms)).toBe(text));
});
