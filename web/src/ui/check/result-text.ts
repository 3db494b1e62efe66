/** The check in words: for the page's list, and as text to send to whoever can help. */
import type { CheckView, Measured, RungView } from '../../core/check/model';
import { formatDate, formatNumber, t } from '../../locales';

/** What was measured of a rung, or why it could not be. */
export function rungDetail({ measured, failure, code }: RungView): string {
  if (measured) return figures(measured).join(' · ');
  if (failure === 'refused') return t('check.failure.refused', { code: String(code ?? '?') });
  return failure ? t(`check.failure.${failure}`) : '';
}

function figures({ timeMs, roundTripMs, loss }: Measured): string[] {
  return [
    t('check.ready', { time: milliseconds(timeMs) }),
    ...(roundTripMs === null ? [] : [t('check.roundTrip', { time: milliseconds(roundTripMs) })]),
    ...(loss === null
      ? []
      : [t('check.loss', { share: formatNumber(loss, { style: 'percent', maximumFractionDigits: 0 }) })]),
  ];
}

function milliseconds(value: number): string {
  // A network in the same house answers within less than one.
  return t('check.milliseconds', { value: value < 1 ? '< 1' : Math.round(value) });
}

/** Everything that can be done, with the addresses that it is about. */
export function hintTexts({ hints, announced }: CheckView, host: string): string[] {
  const address = announced.join(', ') || host;
  return hints.map((hint) => {
    switch (hint) {
      case 'open-udp':
      case 'announced-address':
      case 'no-way-for-media':
        return t(`check.hint.${hint}`, { address });
      default:
        return t(`check.hint.${hint}`);
    }
  });
}

/** Holds the server's name and addresses, and none of the person's. */
export function resultText(view: CheckView, host: string, nowMs: number): string {
  const when = formatDate(nowMs, { dateStyle: 'medium', timeStyle: 'short' });
  const rungs = view.rungs.map((rung) => {
    const state = t(`check.state.${rung.state}`);
    const detail = rungDetail(rung);
    return `- ${t(`check.rung.${rung.name}`)}: ${state}${detail ? ` (${detail})` : ''}`;
  });
  return [
    `${t('check.title')} · ${host} · ${when}`,
    `${t(`check.verdict.${view.verdict}`)} ${t(`check.verdict.${view.verdict}-text`)}`,
    '',
    ...rungs,
    ...hintTexts(view, host).map((hint, index) => `${index === 0 ? '\n' : ''}* ${hint}`),
    '',
  ].join('\n');
}
