/** Moments as addresses and people write them. All times are milliseconds of the Unix epoch. */

const units: Record<string, number> = { h: 3_600_000, m: 60_000, s: 1000, ms: 1 };

/** "-90s", "-1h30m": before now, in the manner of Go's durations. */
function relative(text: string): number | undefined {
  const body = /^-((?:\d+(?:\.\d+)?(?:h|ms|m|s))+)$/.exec(text)?.[1];
  if (!body) return undefined;
  let total = 0;
  for (const [, n, unit] of body.matchAll(/(\d+(?:\.\d+)?)(h|ms|m|s)/g))
    total += Number(n) * (units[unit ?? ""] ?? 0);
  return total;
}

/** RFC 3339, Unix seconds (with a fraction), or relative to now: the grammar of from, to and at in addresses. */
export function parseMoment(text: string | null | undefined, now: number): number | undefined {
  const asked = text?.trim() ?? "";
  if (/^\d+(\.\d+)?$/.test(asked)) return Math.round(Number(asked) * 1000);
  const back = relative(asked);
  if (back !== undefined) return now - back;
  // Query strings turn the plus of "+08:00" into a space.
  const iso = asked.replace(/ (?=\d\d:\d\d$)/, "+");
  if (!/^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(:\d\d(\.\d+)?)?([Zz]|[+-]\d\d:\d\d)$/.test(iso)) return undefined;
  const at = Date.parse(iso.replace(" ", "T"));
  return Number.isNaN(at) ? undefined : at;
}

/** RFC 3339 in UTC; the fraction only where there is one. */
export function writeMoment(at: number): string {
  return new Date(Math.round(at)).toISOString().replace(".000Z", "Z");
}

/** The newest moment within the range at which a clock on the wall shows this time ("14:03" or "14:03:20"). */
export function clockWithin(text: string, from: number, to: number): number | undefined {
  const found = /^(\d{1,2}):(\d\d)(?::(\d\d))?$/.exec(text.trim());
  if (!found) return undefined;
  const [h, m, s] = [Number(found[1]), Number(found[2]), Number(found[3] ?? 0)];
  if (h > 23 || m > 59 || s > 59) return undefined;
  const day = new Date(to);
  // One day more than the range has: the last of its days may not have come to this time yet.
  for (let back = 0; back < 400; back++) {
    const at = new Date(day.getFullYear(), day.getMonth(), day.getDate() - back, h, m, s).getTime();
    if (at < from - 999) return undefined;
    if (at <= to) return at;
  }
  return undefined;
}

const two = (n: number) => String(n).padStart(2, "0");

/** "2026-11-22T14:03:20", local: the value of a datetime-local field. */
export function localValue(at: number): string {
  const d = new Date(at);
  return `${d.getFullYear()}-${two(d.getMonth() + 1)}-${two(d.getDate())}T${clockText(at)}`;
}

/** What a recording is called that nobody named, by the reader's clock as all times on the page; the server's own title is in UTC. */
export function titleOf(stream: string, at: number): string {
  return `${stream} ${localValue(at).replace("T", " ")}`.slice(-200);
}

/** "14:03:20" on the reader's wall. The same in every language, and of constant width. */
export function clockText(at: number): string {
  const d = new Date(at);
  return `${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())}`;
}

export function readLocal(value: string): number | undefined {
  const at = new Date(value).getTime();
  return Number.isNaN(at) ? undefined : at;
}
