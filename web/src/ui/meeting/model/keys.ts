/** A key as it is written on keyboards. */
import { t } from '../../../locales';

export function keyLabel(key: string): string {
  if (key === ' ') return t('meeting.help.space');
  if (key === 'escape') return t('meeting.help.escape');
  return key.toUpperCase();
}
