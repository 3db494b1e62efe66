/** Another name in the middle of a meeting. */
import { join } from 'node:path';
import { seriousFaults } from './support/axe.ts';
import { expect, test } from './support/fixtures.ts';
import { testId } from './support/participant.ts';
import { screenshots } from './support/paths.ts';
import { ada, bo } from './support/people.ts';

test('somebody changes the name by keyboard, and everybody sees it', async ({ server, guests }) => {
  const [first, second] = [await guests.chromium(ada), await guests.chromium(bo)];
  await first.join(server.origin, 'names');
  await second.join(server.origin, 'names');
  const { page } = first.driver;
  await page.locator(testId('meeting')).press('p');
  await page.locator(testId('change-name')).press('Enter');
  const field = page.locator(testId('own-name-input'));
  await expect(field).toBeFocused();
  expect(await seriousFaults(page)).toEqual([]);
  await page.keyboard.type('Ada Lovelace');
  await page.screenshot({ path: join(screenshots, 'change-name.png') });
  await page.keyboard.press('Enter');
  await expect(page.locator(testId('change-name'))).toBeFocused();
  await second.expectTiles(['Ada Lovelace', 'Bo']);

  await page.keyboard.press('Enter');
  await page.keyboard.type('Nobody');
  await page.keyboard.press('Escape');
  await expect(field).toBeHidden();
  await expect(page.locator(testId('change-name')), 'the panel stays').toBeFocused();
  await second.expectTiles(['Ada Lovelace', 'Bo']);
});
