import { describe, expect, it } from 'vitest';
import { chatParts } from './links';

const links = (text: string): (readonly [string, string])[] =>
  chatParts(text).flatMap((part) => (part.kind === 'link' ? [[part.text, part.href] as const] : []));

describe('links in messages', () => {
  it.each([
    ['see https://example.org/a?b=c#d now', 'https://example.org/a?b=c#d', 'https://example.org/a?b=c#d'],
    ['www.example.org', 'www.example.org', 'https://www.example.org/'],
    ['HTTP://EXAMPLE.ORG', 'HTTP://EXAMPLE.ORG', 'http://example.org/'],
    ['(https://example.org/a)', 'https://example.org/a', 'https://example.org/a'],
    ['https://example.org/wiki/A_(b)', 'https://example.org/wiki/A_(b)', 'https://example.org/wiki/A_(b)'],
    ['Is it https://example.org?', 'https://example.org', 'https://example.org/'],
    ['议程在https://example.org/a，谢谢', 'https://example.org/a', 'https://example.org/a'],
    ['见 https://example.org/a。', 'https://example.org/a', 'https://example.org/a'],
    ['https://例子.测试/路', 'https://例子.测试/路', 'https://xn--fsqu00a.xn--0zwm56d/%E8%B7%AF'],
  ])('%s', (text, shown, href) => expect(links(text)).toEqual([[shown, href]]));

  it.each([
    'javascript:alert(1)',
    'data:text/html,<script>alert(1)</script>',
    'https://',
    'http://:80',
    'www.',
    'https://bank.example@evil.example/',
    'ftp://example.org',
    'example.org',
    'xhttps://example.org',
  ])('%s is no link', (text) => expect(links(text)).toEqual([]));

  it('never changes the text', () => {
    for (const text of [
      'a https://x.org/b, c\n\n www.y.org! <b>https://z.org</b>',
      '  spaces  ',
      '',
      'https://x.org https://x.org',
    ]) {
      expect(
        chatParts(text)
          .map((part) => part.text)
          .join(''),
      ).toBe(text);
    }
  });

  it('takes off as many brackets as were not opened', () => {
    expect(links(`https://x.org/(a)${')'.repeat(3_900)}`)).toEqual([
      ['https://x.org/(a)', 'https://x.org/(a)'],
    ]);
    expect(links(`https://x.org/a${').'.repeat(1_900)}`)).toEqual([['https://x.org/a', 'https://x.org/a']]);
  });
});
