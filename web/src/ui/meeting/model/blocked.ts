/** What is said when sound and picture find no way, and nothing that the page does not know. */
import type { Attempt } from '../../../core/diagnosis';
import { t } from '../../../locales';

/** An attempt that was one. */
type Made = Attempt & { outcome: Exclude<Attempt['outcome'], 'untried'> };

/** What was not tried says nothing about the network. */
export function attemptsMade(attempts: readonly Attempt[]): Made[] {
  return attempts.filter((attempt): attempt is Made => attempt.outcome !== 'untried');
}

export function attemptText({ outcome, code }: Made): string {
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
