/** Numbers and moments as people read them, in the reader's language. */

export interface Locale {
  lang: string;
}

const cache = new Map<string, Intl.NumberFormat>();

function number(lang: string, digits: number): Intl.NumberFormat {
  const key = `${lang}/${digits}`;
  let f = cache.get(key);
  if (!f) {
    f = new Intl.NumberFormat(lang, { maximumFractionDigits: digits });
    cache.set(key, f);
  }
  return f;
}

/** Three meaningful digits: 2.65, 26.5, 265. */
function short(lang: string, n: number): string {
  return number(lang, n < 10 ? 2 : n < 100 ? 1 : 0).format(n);
}

/** 2650000 → "2.65 Mbit/s". Decimal steps: line rates are counted that way. */
export function bitrate(lang: string, bps: number | undefined): string {
  const n = Math.max(0, bps ?? 0);
  if (n >= 1e9) return `${short(lang, n / 1e9)} Gbit/s`;
  if (n >= 999_500) return `${short(lang, n / 1e6)} Mbit/s`;
  return `${number(lang, 0).format(n / 1e3)} kbit/s`;
}

/** 1.5e9 → "1.4 GiB"; storage is counted in binary steps and says so. */
export function bytes(lang: string, n: number | undefined): string {
  let v = Math.max(0, n ?? 0);
  const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
  let i = 0;
  while (v >= 1024 && i < units.length - 1) {
    v /= 1024;
    i++;
  }
  return `${i === 0 ? number(lang, 0).format(v) : short(lang, v)} ${units[i]}`;
}

export function count(lang: string, n: number | undefined): string {
  return number(lang, 0).format(n ?? 0);
}

export function decimal(lang: string, n: number | undefined, digits = 1): string {
  return number(lang, digits).format(n ?? 0);
}

/** 29.97 stays, 30.000001 becomes 30. */
export function frameRate(lang: string, fps: number | undefined): string {
  return number(lang, 2).format(Math.round((fps ?? 0) * 100) / 100);
}

/** A running time: 62 s → "1:02", 3723 s → "1:02:03". */
export function runningTime(seconds: number): string {
  const s = Math.max(0, Math.floor(seconds));
  const two = (n: number) => String(n).padStart(2, "0");
  const h = Math.floor(s / 3600);
  const m = Math.floor(s / 60) % 60;
  return h > 0 ? `${h}:${two(m)}:${two(s % 60)}` : `${m}:${two(s % 60)}`;
}

/** "22 Nov 2026, 14:03:20" */
export function moment(lang: string, at: string | number | Date): string {
  return new Intl.DateTimeFormat(lang, { dateStyle: "medium", timeStyle: "medium" }).format(new Date(at));
}

/** From one moment to another; the day that both share is said once. */
export function momentRange(lang: string, from: number, to: number): string {
  const sameDay = new Date(from).toDateString() === new Date(to).toDateString();
  const end = sameDay ? new Intl.DateTimeFormat(lang, { timeStyle: "medium" }).format(to) : moment(lang, to);
  return `${moment(lang, from)} – ${end}`;
}

/** "3 minutes ago", in the language's own words. */
export function ago(lang: string, at: string | number | Date, now = Date.now()): string {
  const seconds = (new Date(at).getTime() - now) / 1000;
  const f = new Intl.RelativeTimeFormat(lang, { numeric: "auto", style: "short" });
  const steps: [number, Intl.RelativeTimeFormatUnit][] = [
    [60, "second"],
    [60, "minute"],
    [24, "hour"],
    [30, "day"],
    [12, "month"],
    [Number.POSITIVE_INFINITY, "year"],
  ];
  let v = seconds;
  for (const [size, unit] of steps) {
    if (Math.abs(v) < size) return spaced(f.format(Math.trunc(v), unit));
    v /= size;
  }
  return moment(lang, at);
}

/** A space between figures and Chinese words: the language's own data has none, our texts have. */
function spaced(text: string): string {
  return text.replace(/(\d)(?=\p{Script=Han})/gu, "$1 ");
}

/** Absolute, with the relative in brackets. */
export function when(lang: string, at: string | number | Date, now = Date.now()): string {
  return `${moment(lang, at)} (${ago(lang, at, now)})`;
}

/** "live/show" for an address: each segment escaped, slashes kept. */
export function pathOf(name: string): string {
  return name.split("/").map(encodeURIComponent).join("/");
}
