/** Figures as text. What is not known is a dash. */
import type { Value } from '../../core/admin/series';
import { formatDate, formatNumber, t } from '../../locales';

export type Format = (value: Value) => string;

/** Three digits at most: what changes every second must be read at a glance. */
function digits(value: number): string {
  const fraction = value < 10 ? 2 : value < 100 ? 1 : 0;
  return formatNumber(value, { maximumFractionDigits: fraction });
}

/** From bits per second. */
export function bps(value: Value): string {
  return kbps(value === null ? null : value / 1_000);
}

/** From kbit/s. */
export function kbps(value: Value): string {
  if (value === null) return t('admin.none');
  if (value < 999.5) return t('admin.kbps', { value: formatNumber(value, { maximumFractionDigits: 0 }) });
  if (value < 999_500) return t('admin.mbps', { value: digits(value / 1_000) });
  return t('admin.gbps', { value: digits(value / 1_000_000) });
}

/** From tenths of a percent. */
export function permille(value: Value): string {
  if (value === null) return t('admin.none');
  return formatNumber(value / 1_000, { style: 'percent', maximumFractionDigits: 1 });
}

/** From tenths of a millisecond. */
export function tenths(value: Value): string {
  if (value === null) return t('admin.none');
  const ms = value / 10;
  return t('admin.milliseconds', { value: formatNumber(ms, { maximumFractionDigits: ms < 10 ? 1 : 0 }) });
}

/** From KiB. */
export function kib(value: Value): string {
  if (value === null) return t('admin.none');
  const mib = value / 1_024;
  return mib < 999.5
    ? t('admin.mib', { value: digits(mib) })
    : t('admin.gib', { value: digits(mib / 1_024) });
}

export function count(value: Value): string {
  return value === null ? t('admin.none') : formatNumber(Math.round(value));
}

export function perSecond(value: Value): string {
  return value === null ? t('admin.none') : t('admin.per-second', { value: count(value) });
}

/** A moment of the last hour, to the second. */
export function clock(unixMs: number): string {
  return formatDate(unixMs, { hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' });
}

/** A moment of the last hour, to the minute. */
export function shortClock(unixMs: number): string {
  return formatDate(unixMs, { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' });
}
