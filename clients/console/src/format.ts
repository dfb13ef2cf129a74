// Numbers, money and times in the chosen language. Formatters are cached: creating one takes 0.1 ms.

import { language } from "./i18n";

const kept = new Map<string, Intl.NumberFormat | Intl.DateTimeFormat | Intl.RelativeTimeFormat>();

function keep<T extends Intl.NumberFormat | Intl.DateTimeFormat | Intl.RelativeTimeFormat>(name: string, make: (locale: string) => T): T {
  const key = `${language()} ${name}`;
  if (!kept.has(key)) kept.set(key, make(language()));
  return kept.get(key) as T;
}

const DAY: Intl.DateTimeFormatOptions = { year: "numeric", month: "short", day: "numeric" };
const TIME: Intl.DateTimeFormatOptions = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };

export const number = (value: number) => keep("number", (locale) => new Intl.NumberFormat(locale)).format(value);
/** `12K`, `1.2만`: for the narrow axes of graphs. */
export const short = (value: number) => keep("short", (locale) => new Intl.NumberFormat(locale, { notation: "compact" })).format(value);
export const money = (value: number, currency: string) =>
  keep(currency, (locale) => new Intl.NumberFormat(locale, { style: "currency", currency, currencyDisplay: "narrowSymbol" })).format(value);
export const percent = (value: number) => keep("percent", (locale) => new Intl.NumberFormat(locale, { style: "percent" })).format(value);
/** `14:05` */
export const clock = (at: string | number | Date) => keep("clock", (locale) => new Intl.DateTimeFormat(locale, TIME)).format(new Date(at));
/** `30 Nov 2026, 14:05` */
export const date = (at: string | number | Date) => keep("date", (locale) => new Intl.DateTimeFormat(locale, { ...DAY, ...TIME })).format(new Date(at));
export const day = (at: string | number | Date) => keep("day", (locale) => new Intl.DateTimeFormat(locale, DAY)).format(new Date(at));

/** `1:02:03`, of a time span in ms. */
export function span(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const [hours, minutes, rest] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  const two = (part: number) => String(part).padStart(2, "0");
  return hours ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`;
}

const UNITS: [Intl.RelativeTimeFormatUnit, number][] = [["day", 86_400_000], ["hour", 3_600_000], ["minute", 60_000]];

/** `3 minutes ago`, `in 2 hours`. */
export function ago(at: string | number | Date, now = Date.now()): string {
  const ms = new Date(at).getTime() - now;
  const [unit, size] = UNITS.find(([, size]) => Math.abs(ms) >= size) ?? ["second", 1000];
  return keep("ago", (locale) => new Intl.RelativeTimeFormat(locale, { numeric: "auto" })).format(Math.round(ms / size), unit);
}
