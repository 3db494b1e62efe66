/** What is said when sound and picture find no way, and nothing that the page does not know. */
import type { Attempt } from '../../../core/diagnosis';
import { t } from '../../../locales';

export function attemptText({ outcome, code }: Attempt): string {
  return outcome === 'refused'
    ? t('meeting.blocked.refused', { code: String(code ?? '?') })
    : t(`meeting.blocked.${outcome}`);
}

/** A relay that refuses is the server's matter; silence is more likely the network's. */
export function adviceOn(attempts: readonly Attempt[], host: string): string {
  return attempts.some(({ outcome }) => outcome === 'refused')
    ? t('meeting.blocked.advice-refused')
    : t('meeting.blocked.advice-network', { host });
}
