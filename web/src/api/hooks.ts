import {
  keepPreviousData,
  type QueryClient,
  useInfiniteQuery,
  useMutation,
  useQuery,
  useQueryClient,
} from "@tanstack/react-query";
import { useEffect } from "react";
import { writeMoment } from "../lib/moment";
import { byName } from "../lib/name";
import { ApiError, get, list, maybe, streamPath, timelinePath } from "./client";
import { onEvent } from "./events";
import type {
  Attempt,
  History,
  Key,
  Page,
  PublishInfo,
  Recording,
  Relay,
  Replay,
  ServerEvent,
  Session,
  SessionInfo,
  Storage,
  Stream,
  SystemInfo,
  TestSource,
  Timeline,
  TimelineRange,
  Token,
  Webhook,
} from "./types";

export const useSession = () =>
  useQuery({
    queryKey: ["session"],
    queryFn: () => get<Session>("/session"),
    refetchInterval: (q) => (q.state.status === "error" ? 3000 : false),
  });

export const useSystem = (every = 5000) =>
  useQuery({ queryKey: ["system"], queryFn: () => get<SystemInfo>("/system"), refetchInterval: every });

/** Nobody answers, or only a proxy in front of a server that is away. */
export function useAway(): boolean {
  const why = useSystem().failureReason;
  return why instanceof ApiError && [0, 502, 503, 504].includes(why.status);
}

export const useStreams = () =>
  useQuery({
    queryKey: ["streams"],
    queryFn: async () => byName(await list<Stream>("/streams?limit=200")),
    refetchInterval: 3000,
  });

/** One stream; null while there is none of that name. */
export const useStream = (name: string, every = 1000) =>
  useQuery({
    queryKey: ["stream", name],
    queryFn: async () => (await list<Stream>(`/streams?name=${encodeURIComponent(name)}`))[0] ?? null,
    refetchInterval: every,
  });

/** The last minutes of a stream that is on; there are none of others. */
export const useHistory = (name: string) => {
  const stream = useStream(name).data;
  return useQuery({
    queryKey: ["history", name],
    queryFn: () => maybe(get<History>(`${streamPath(name)}/history`)),
    enabled: stream != null && stream.state !== "idle",
    refetchInterval: 1000,
  });
};

export const useAttempts = (name: string) =>
  useQuery({
    queryKey: ["attempts", name],
    queryFn: async () => (await maybe(list<Attempt>(`${streamPath(name)}/attempts`))) ?? [],
    refetchInterval: 2000,
  });

/** A list of thousands would help nobody, and is asked for every two seconds. */
export const shownSessions = 50;

export const useSessions = (stream: string, action = "", every = 2000) =>
  useQuery({
    queryKey: ["sessions", stream, action],
    queryFn: async () =>
      (
        await get<Page<SessionInfo>>(
          `/sessions?stream=${encodeURIComponent(stream)}&action=${action}&limit=${shownSessions}`,
        )
      ).items ?? [],
    refetchInterval: every,
  });

export const usePublishInfo = (name: string) =>
  useQuery({
    queryKey: ["publish-info", name],
    queryFn: () => get<PublishInfo>(`${streamPath(name)}/publish-info`),
    staleTime: Number.POSITIVE_INFINITY,
    retry: 1,
  });

export const useKeys = () => useQuery({ queryKey: ["keys"], queryFn: () => list<Key>("/keys") });
export const useTokens = () => useQuery({ queryKey: ["tokens"], queryFn: () => list<Token>("/tokens") });
export const useWebhooks = () =>
  useQuery({ queryKey: ["webhooks"], queryFn: () => list<Webhook>("/webhooks") });
export const useTestSources = () =>
  useQuery({
    queryKey: ["test-sources"],
    queryFn: () => list<TestSource>("/test-sources"),
    refetchInterval: 5000,
  });
export const useRelays = (kind: "pulls" | "pushes") =>
  useQuery({ queryKey: [kind], queryFn: () => list<Relay>(`/${kind}`), refetchInterval: 2000 });

export interface RecordingFilter {
  q?: string;
  stream?: string;
  state?: string;
}

function asked(filter: RecordingFilter): string {
  const q = new URLSearchParams({ limit: "100" });
  for (const [name, value] of Object.entries(filter)) if (value) q.set(name, value);
  return q.toString();
}

/** Recordings page by page: there may be tens of thousands. */
export const useRecordings = (filter: RecordingFilter) =>
  useInfiniteQuery({
    queryKey: ["recordings", "pages", filter],
    queryFn: ({ pageParam }) =>
      get<Page<Recording>>(
        `/recordings?${asked(filter)}${pageParam && `&cursor=${encodeURIComponent(pageParam)}`}`,
      ),
    initialPageParam: "",
    getNextPageParam: (last) => last.next_cursor || undefined,
    placeholderData: keepPreviousData,
    refetchInterval: 10_000,
  });

/** What is being recorded now; an older server has no such list, and then nothing is. */
export const useRunning = () =>
  useQuery({
    queryKey: ["recordings", "running"],
    queryFn: async () => (await maybe(list<Recording>("/recordings?state=running&limit=200"))) ?? [],
    refetchInterval: 5000,
  });

export const useTimelines = () =>
  useQuery({
    queryKey: ["timelines"],
    queryFn: async () => byName((await maybe(list<Timeline>("/timelines?limit=200"))) ?? []),
    refetchInterval: 15_000,
  });

/** Spans, gaps and pins of a part of one stream's past. */
export const useTimeline = (name: string, from: number, to: number, on = true) =>
  useQuery({
    queryKey: ["timeline", name, from, to],
    queryFn: () =>
      maybe(get<TimelineRange>(`${timelinePath(name)}?from=${writeMoment(from)}&to=${writeMoment(to)}`)),
    enabled: on,
    placeholderData: keepPreviousData,
    refetchInterval: to > Date.now() ? 10_000 : false,
  });

export const useReplays = () =>
  useQuery({
    queryKey: ["replays"],
    queryFn: async () => (await maybe(list<Replay>("/replays"))) ?? [],
    refetchInterval: 3000,
  });

export const useStorage = (every = 30_000) =>
  useQuery({
    queryKey: ["storage"],
    queryFn: () => maybe(get<Storage>("/storage")),
    refetchInterval: every,
  });

/** A change, after which the named lists are asked again. */
export function useChange<V, R>(change: (v: V) => Promise<R>, ...lists: string[]) {
  const client = useQueryClient();
  return useMutation<R, ApiError, V>({
    mutationFn: change,
    onSettled: () => Promise.all(lists.map((queryKey) => client.invalidateQueries({ queryKey: [queryKey] }))),
  });
}

export function useServerEvent(listener: (e: ServerEvent) => void): void {
  useEffect(() => onEvent(listener), [listener]);
}

/** Lists follow the server's events at once; polling is only the net below. */
export function followEvents(client: QueryClient): () => void {
  return onEvent((e) => {
    const name = String(e.data?.name ?? e.data?.stream ?? "");
    if (e.type === "system.tick") return;
    if (e.type === "stream.updated") return;
    if (e.type.startsWith("stream.")) void client.invalidateQueries({ queryKey: ["streams"] });
    if (e.type.startsWith("recording."))
      for (const key of ["recordings", "timeline", "timelines"])
        void client.invalidateQueries({ queryKey: [key] });
    if (e.type.startsWith("storage.")) void client.invalidateQueries({ queryKey: ["storage"] });
    if (e.type.startsWith("session.")) void client.invalidateQueries({ queryKey: ["sessions", name] });
    if (e.type === "publish.refused") void client.invalidateQueries({ queryKey: ["attempts", name] });
    if (name) void client.invalidateQueries({ queryKey: ["stream", name] });
  });
}
