import { useSyncExternalStore } from "react";
import { onEvent } from "../api/events";

/** The last minute of each stream's bitrate, one value a second: what the level lines draw. */

const length = 60;
const rows = new Map<string, number[]>();
const watchers = new Set<() => void>();
const none: number[] = [];

export function addLevel(name: string, bps: number): void {
  rows.set(name, [...(rows.get(name) ?? []), bps].slice(-length));
  for (const w of watchers) w();
}

/** Puts the server's own memory in front of what this page has seen. */
export function seedLevel(name: string, values: number[]): void {
  const seen = rows.get(name) ?? [];
  if (seen.length >= length || values.length <= seen.length) return;
  rows.set(name, values.slice(-length));
  for (const w of watchers) w();
}

let stop: (() => void) | undefined;

function subscribe(f: () => void): () => void {
  watchers.add(f);
  stop ??= onEvent((e) => {
    const d = e.data ?? {};
    if (e.type === "stream.updated") addLevel(String(d.name), Number(d.in_bps ?? 0));
    if (e.type === "system.tick") {
      addLevel("\0in", Number(d.in_bps ?? 0));
      addLevel("\0out", Number(d.out_bps ?? 0));
    }
  });
  return () => {
    watchers.delete(f);
    if (watchers.size > 0) return;
    stop?.();
    stop = undefined;
  };
}

export const useLevel = (name: string) => useSyncExternalStore(subscribe, () => rows.get(name) ?? none);
