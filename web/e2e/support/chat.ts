import { expect } from '@playwright/test';
import type { ChromiumDriver } from './driver.ts';
import { testId, type Participant } from './participant.ts';

type Guest = Participant<ChromiumDriver>;

export async function openChat({ driver: { page } }: Guest): Promise<void> {
  const input = page.locator(testId('chat-input'));
  if (!(await input.isVisible())) await page.click(testId('open-chat'));
  await expect(input).toBeVisible();
}

export async function sendChat(guest: Guest, text: string): Promise<void> {
  await openChat(guest);
  const { page } = guest.driver;
  await page.fill(testId('chat-input'), text);
  await page.click(testId('chat-send'));
  await expect(page.locator(testId('chat-message')).last()).toContainText(text.split('\n')[0] ?? '');
}

/** What people wrote, oldest first, exactly as it is shown. */
export async function chatTexts({ driver: { page } }: Guest): Promise<string[]> {
  return page.locator(`${testId('chat-message')} [data-part=text]`).allInnerTexts();
}
