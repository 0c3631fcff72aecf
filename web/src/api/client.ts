import type { Page } from "./types";

/** What the server answered instead of what was asked: a code to translate, its own sentence as the fall-back. */
export class ApiError extends Error {
  readonly status: number;
  readonly code: string;
  readonly remedy: string;
  constructor(status: number, code: string, detail: string, remedy = "") {
    super(detail);
    this.status = status;
    this.code = code;
    this.remedy = remedy;
  }
}

interface Problem {
  title?: string;
  detail?: string;
  code?: string;
  remedy?: string;
}

const root = "/api/v1";

export const streamPath = (name: string) => `/streams/${encodeURIComponent(name)}`;
export const timelinePath = (name: string) => `/timelines/${encodeURIComponent(name)}`;

export async function call<T>(method: string, path: string, body?: unknown): Promise<T> {
  let res: Response;
  try {
    res = await fetch(root + path, {
      method,
      headers: body === undefined ? {} : { "Content-Type": "application/json" },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch {
    throw new ApiError(0, "unreachable", "The server does not answer.");
  }
  if (res.status === 204) return undefined as T;
  const type = res.headers.get("Content-Type") ?? "";
  const data: unknown = type.includes("json") ? await res.json().catch(() => undefined) : undefined;
  if (res.ok && data !== undefined) return data as T;
  const p = (data ?? {}) as Problem;
  throw new ApiError(
    res.status,
    p.code ?? `http_${res.status}`,
    p.detail ?? p.title ?? `HTTP ${res.status}`,
    p.remedy,
  );
}

export const get = <T>(path: string) => call<T>("GET", path);
export const post = <T>(path: string, body: unknown = {}) => call<T>("POST", path, body);
export const put = <T>(path: string, body: unknown) => call<T>("PUT", path, body);
export const patch = <T>(path: string, body: unknown) => call<T>("PATCH", path, body);
export const del = (path: string) => call<void>("DELETE", path);

/** All pages of a list, up to a bound no console can show anyway. */
export async function list<T>(path: string): Promise<T[]> {
  const out: T[] = [];
  let cursor = "";
  for (let page = 0; page < 20; page++) {
    const sep = path.includes("?") ? "&" : "?";
    const res = await get<Page<T>>(cursor ? `${path}${sep}cursor=${encodeURIComponent(cursor)}` : path);
    out.push(...(res.items ?? []));
    if (!res.next_cursor) return out;
    cursor = res.next_cursor;
  }
  return out;
}

/** Nothing there is an answer too, not a failure. */
export async function maybe<T>(asked: Promise<T>): Promise<T | null> {
  try {
    return await asked;
  } catch (e) {
    if (e instanceof ApiError && (e.status === 404 || e.code === "not_offered")) return null;
    throw e;
  }
}

/** The same call for a terminal. The token stays a variable: what is pasted into chats must hold no secret. */
export function asCurl(method: string, path: string, body?: unknown, origin = location.origin): string {
  const parts = ["curl -sS"];
  if (method !== "GET") parts.push(`-X ${method}`);
  parts.push(`-H "Authorization: Bearer $WEIR_TOKEN"`);
  if (body !== undefined) {
    parts.push(`-H "Content-Type: application/json"`);
    parts.push(`-d '${JSON.stringify(body).replaceAll("'", "'\\''")}'`);
  }
  parts.push(`"${origin}${root}${path}"`);
  return parts.join(" ");
}
