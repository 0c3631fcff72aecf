import { useSyncExternalStore } from "react";
import { onEvent } from "../api/events";
import type { ServerEvent } from "../api/types";

/** Alarms of the storage that came while this page was open, until the server says that all is well or somebody puts them away. */

export interface Alarm {
  code: string;
  timeline: string;
  message: string;
  remedy: string;
  at: string;
}

/** These pass by themselves, and the server says when. */
const passing = new Set(["recording_stopped", "sync_slow"]);
const most = 5;

/** The list after an event. */
export function heard(list: readonly Alarm[], e: ServerEvent): readonly Alarm[] {
  if (e.type !== "storage.alarm" && e.type !== "storage.ok") return list;
  const d = e.data ?? {};
  const code = String(d.code ?? "");
  if (e.type === "storage.ok" || code === "recording_resumed")
    return list.filter((a) => !passing.has(a.code));
  const alarm: Alarm = {
    code,
    timeline: String(d.timeline ?? d.stream ?? d.name ?? ""),
    message: String(d.message ?? code),
    remedy: String(d.remedy ?? ""),
    at: String(d.at ?? e.timestamp ?? ""),
  };
  return [alarm, ...list.filter((a) => a.code !== code || a.timeline !== alarm.timeline)].slice(0, most);
}

let alarms: readonly Alarm[] = [];
const watchers = new Set<() => void>();
let stop: (() => void) | undefined;

function set(next: readonly Alarm[]): void {
  if (next === alarms) return;
  alarms = next;
  for (const w of watchers) w();
}

function subscribe(f: () => void): () => void {
  watchers.add(f);
  stop ??= onEvent((e) => set(heard(alarms, e)));
  return () => {
    watchers.delete(f);
    if (watchers.size > 0) return;
    stop?.();
    stop = undefined;
  };
}

export const useAlarms = () => useSyncExternalStore(subscribe, () => alarms);
export const putAway = (a: Alarm) => set(alarms.filter((x) => x !== a));
