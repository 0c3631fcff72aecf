/**
 * Where a stream's pages are. Names have slashes and so have the addresses:
 * /console/live/live/show and /console/live/live/show/publish. A stream whose own
 * last part is "publish" is written with %2F, so that no name is out of reach.
 */

export const streamPage = (name: string) => `/live/${write(name)}`;
export const publishPath = (name: string) => `/live/${write(name)}/publish`;

function write(name: string): string {
  const parts = name.split("/").map(encodeURIComponent);
  return parts.at(-1) === "publish" ? parts.join("%2F") : parts.join("/");
}

export interface StreamPlace {
  name: string;
  page: "stream" | "publish";
}

/** Reads the address bar's path (still escaped). */
export function readStreamPath(pathname: string): StreamPlace | undefined {
  const rest = pathname.match(/^\/console\/live\/(.+?)\/*$/)?.[1];
  if (!rest) return undefined;
  const publish = rest.endsWith("/publish");
  const raw = publish ? rest.slice(0, -"/publish".length) : rest;
  try {
    return { name: decodeURIComponent(raw), page: publish ? "publish" : "stream" };
  } catch {
    return undefined; // a stray percent sign
  }
}

export const timelinePage = (name: string) =>
  `/timelines/${name.split("/").map(encodeURIComponent).join("/")}`;

/** The stream of a timeline's page, from the address bar's path. */
export function readTimelinePath(pathname: string): string | undefined {
  const rest = pathname.match(/^\/console\/timelines\/(.+?)\/*$/)?.[1];
  try {
    return rest && decodeURIComponent(rest);
  } catch {
    return undefined; // a stray percent sign
  }
}
