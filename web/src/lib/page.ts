import { type ComponentType, lazy, useEffect } from "react";

/** What a page tells the window it is in, and how its code comes. */

type Loaded<P> = { default: ComponentType<P> };

/**
 * A page whose code is fetched when it is opened. While the server is away the page waits; once there is an answer it is
 * loaded as a whole, because another version of the server has other files.
 */
export const lazyPage = <P>(load: () => Promise<Loaded<P>>) => lazy(() => load().catch(() => later(load)));

const pause = 2000;

async function later<P>(load: () => Promise<Loaded<P>>): Promise<Loaded<P>> {
  do await new Promise((done) => setTimeout(done, pause));
  while (!(await fetch("/livez").catch(() => undefined))?.ok);
  return load().catch(() => {
    location.reload();
    return new Promise<never>(() => undefined);
  });
}

export function useTitle(text: string): void {
  useEffect(() => {
    document.title = `${text} · Weir`;
  }, [text]);
}

export function useFavicon(live: boolean): void {
  useEffect(() => {
    const link = document.querySelector<HTMLLinkElement>("link[rel=icon]");
    if (link) link.href = live ? "/assets/favicon-live.svg" : "/assets/favicon.svg";
    return () => {
      if (link) link.href = "/assets/favicon.svg";
    };
  }, [live]);
}
